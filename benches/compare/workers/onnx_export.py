"""Writes the prediction of a task as `model.onnx`, batch and all: python onnx_export.py FOLDER."""

import sys
from pathlib import Path

import common
import torch
import torch_model


def channels_first(task, x):
    """The model, flattening in ONNX's order: rows of the layers behind are moved instead of elements."""
    shapes = {}
    model = torch_model.network(task, task.layers).eval()
    for name, function, inputs in model.calls:
        if function is torch_model.flatten:
            shapes[name] = inputs[0]
    with torch.inference_mode():
        values = dict(zip(model.inputs, x))
        for name, function, inputs in model.calls:
            values[name] = function(*(values[name] for name in inputs))
    for layer in task.layers:
        flattened = shapes.get(layer.inputs[0]) if layer.inputs else None
        if layer.kind == "Dense" and flattened is not None and values[flattened].dim() == 4:
            _, channels, rows, columns = values[flattened].shape
            kernel = task.weights[f"{layer.name}/kernel"]
            kernel = kernel.reshape(rows, columns, channels, -1).transpose(2, 0, 1, 3)
            task.weights[f"{layer.name}/kernel"] = kernel.reshape(rows * columns * channels, -1).copy()
    model = torch_model.network(task, task.layers).eval()
    plain = lambda function: torch.nn.Flatten() if function is torch_model.flatten else function
    model.calls = [(name, plain(function), inputs) for name, function, inputs in model.calls]
    return model


folder = Path(sys.argv[1])
task = common.Task({"folder": folder})
x = tuple(torch_model.tensor(array) for array in task.x)
torch.onnx.export(
    channels_first(task, x),
    x,
    folder / "model.onnx",
    input_names=["x"],
    output_names=["y"],
    opset_version=17,
    dynamo=False,
)

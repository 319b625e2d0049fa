"""Writes the ONNX models of tests, byte for byte the same each time: `python onnx_models.py`."""

import pathlib

import numpy
from onnx import TensorProto, helper, numpy_helper, save

FOLDER = pathlib.Path(__file__).parent


def dense():
    """A layer of five units for any number of samples of three numbers."""
    kernel = (numpy.arange(15).reshape(3, 5) / 8 - 1).astype(numpy.float32)
    bias = (numpy.arange(5) / 4).astype(numpy.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "dense.kernel", "dense.bias"], ["h"], name="dense"),
            helper.make_node("Relu", ["h"], ["y"], name="relu"),
        ],
        "predict",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [
            numpy_helper.from_array(kernel, "dense.kernel"),
            numpy_helper.from_array(bias, "dense.bias"),
        ],
    )
    opset = helper.make_opsetid("", 21)
    return helper.make_model(graph, producer_name="test", ir_version=10, opset_imports=[opset])


if __name__ == "__main__":
    save(dense(), FOLDER / "dense.onnx")

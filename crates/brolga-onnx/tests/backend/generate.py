"""Writes the backend tests of the package `onnx` into a folder: models, inputs and outputs.

`backend-test-tools` writes those of small models alone; this adds those of single nodes, those of
PyTorch's exporter, which the package brings as files, and the light models.
"""

import argparse
import pathlib
import shutil

import numpy
import onnx.backend.test
from onnx.backend.test import cmd_tools
from onnx.backend.test.case import model, node

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("output", help="the folder, which is made anew")
arguments = parser.parse_args()

cases = node.collect_testcases(None) + model.collect_testcases()
cmd_tools.model_test.collect_testcases = lambda: cases
cmd_tools.generate_data(arguments)

data = pathlib.Path(onnx.backend.test.__file__).parent / "data"
for kind in ["pytorch-converted", "pytorch-operator"]:
    target = pathlib.Path(arguments.output) / kind
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(data / kind, target)

# The light models have no inputs beside them; the runner of `onnx` gives them these.
for path in sorted((data / "light").glob("*.onnx")):
    proto = onnx.load(path)
    target = pathlib.Path(arguments.output) / "light" / path.stem / "test_data_set_0"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target.parent / "model.onnx")
    shutil.copy(path.with_name(f"{path.stem}_output_0.pb"), target / "output_0.pb")
    known = {initializer.name for initializer in proto.graph.initializer}
    [port] = [port for port in proto.graph.input if port.name not in known]
    shape = [dim.dim_value or 1 for dim in port.type.tensor_type.shape.dim]
    count = numpy.prod(shape)
    values = (numpy.arange(count).reshape(shape) / count).astype(numpy.float32)
    tensor = onnx.numpy_helper.from_array(values, port.name)
    (target / "input_0.pb").write_bytes(tensor.SerializeToString())

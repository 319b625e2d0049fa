"""Checks ONNX files of ours with `onnx.checker` and ONNX Runtime.

    BROLGA_ONNX_EXPORT=$PWD/target/onnx-export cargo test -p brolga-onnx --lib export
    target/onnx/bin/pip install onnx==1.23.2 onnxruntime==1.32.0
    target/onnx/bin/python tests/onnx/check_export.py target/onnx-export

The folder has a folder for each case, as the backend tests of ONNX do: `model.onnx`, and inputs and
outputs in `test_data_set_0`. A case passes if the checker accepts the model, shapes included, and
ONNX Runtime gives outputs that are off by 1e-5 of the largest value at most.
"""

import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import numpy_helper

TOLERANCE = 1e-5


def tensors(folder, kind):
    """The tensors of a case in their order."""
    found = []
    while (path := folder / "test_data_set_0" / f"{kind}_{len(found)}.pb").exists():
        found.append(numpy_helper.to_array(onnx.load_tensor(path)))
    return found


def distance(given, expected):
    """How far values are off, as a share of the largest one."""
    if given.shape != expected.shape:
        raise ValueError(f"an output is {given.shape}, not {expected.shape}")
    if expected.dtype == bool:
        return float((given != expected).sum())
    given, expected = given.astype(numpy.float64), expected.astype(numpy.float64)
    if not (numpy.isnan(given) == numpy.isnan(expected)).all():
        raise ValueError("an output is NaN")
    with numpy.errstate(invalid="ignore"):
        off = numpy.where(given == expected, 0, numpy.abs(given - expected))
    return float(numpy.nanmax(off, initial=0)) / max(1.0, float(numpy.nanmax(numpy.abs(expected), initial=0)))


def check(folder):
    """Checks a case, and returns how far it is off."""
    path = str(folder / "model.onnx")
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = dict(zip([port.name for port in session.get_inputs()], tensors(folder, "input")))
    outputs = session.run(None, inputs)
    return max(distance(*pair) for pair in zip(outputs, tensors(folder, "output"), strict=True))


def main():
    """Checks all cases of a folder."""
    cases = sorted(path.parent for path in pathlib.Path(sys.argv[1]).rglob("model.onnx"))
    failed = 0
    for case in cases:
        try:
            off = check(case)
            reason = None if off <= TOLERANCE else f"off by {off:.1e}"
        except Exception as error:  # Whatever a checker or a runtime raises is the case's result.
            reason = str(error).strip().replace("\n", " ")[:400]
        if reason:
            failed += 1
            print(f"{case}: {reason}")
    print(f"{len(cases) - failed} of {len(cases)} cases passed")
    sys.exit(1 if failed or not cases else 0)


if __name__ == "__main__":
    main()

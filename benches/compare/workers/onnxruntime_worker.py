"""ONNX Runtime, inference of the model file that the driver has written."""

import os

import common
import numpy as np
import onnxruntime

options = common.arguments().parse_args()


class Predict(common.Case):
    def __init__(self, command):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        # Its threads spin while a run goes on, and stop when it is over, so that they are idle when others are measured.
        settings.add_session_config_entry("session.force_spinning_stop", "1")
        path = os.path.join(command["folder"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, settings, ["CPUExecutionProvider"])
        (x,) = common.Task(command).x
        self.feed = {"x": np.ascontiguousarray(x.transpose(0, 3, 1, 2))}

    def step(self):
        return self.session.run(None, self.feed)[0]


def versions():
    return {"onnxruntime": onnxruntime.__version__}


common.serve(versions, lambda command: {"predict": Predict}[command["run"]](command))

"""Keras on the backend that KERAS_BACKEND names, `compile` as it comes."""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import common
import numpy as np

options = common.arguments().parse_args()
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)

import keras

keras.utils.set_random_seed(1)


def build(command, task):
    """The model, its weights from the file."""
    for entry in task.json["config"]["layers"]:
        if entry["class_name"] == "Dropout" and not command.get("dropout", True):
            entry["config"]["rate"] = 0.0
        if entry["class_name"] == "MultiHeadAttention" and not command.get("dropout", True):
            entry["config"]["dropout"] = 0.0
    model = keras.models.model_from_json(json.dumps(task.json))
    for layer in model.layers:
        for weight in layer.weights:
            for name in (f"{layer.name}/{weight.name}", weight.path):
                if name in task.weights:
                    weight.assign(task.weights[name])
    if task.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(1e-2)
    else:
        optimizer = keras.optimizers.Adam(1e-3, epsilon=common.epsilon(command))
    model.compile(optimizer=optimizer, loss=task.loss)
    return model


def tensors(arrays):
    """One tensor, or a list of them."""
    tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
    return tensors if len(tensors) > 1 else tensors[0]


class Train(common.Case):
    def __init__(self, command):
        task = common.Task(command)
        self.model = build(command, task)
        self.batch = tensors(task.x), tensors([task.y])

    def step(self):
        return self.model.train_on_batch(*self.batch)

    def value(self, result):
        # Keras gives the mean of all losses since the metrics were reset.
        self.model.reset_metrics()
        return [float(np.asarray(result))]


class Predict(common.Case):
    def __init__(self, command):
        task = common.Task(command)
        self.model = build(command, task)
        self.x = tensors(task.x)

    def step(self):
        return self.model.predict_on_batch(self.x)


def versions():
    backend = keras.backend.backend()
    module = __import__(backend)
    return {"keras": keras.__version__, backend: module.__version__}


cases = {"train": Train, "predict": Predict}
common.serve(versions, lambda command: cases[command["run"]](command))

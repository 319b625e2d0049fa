"""Keras on the backend that KERAS_BACKEND names, `compile` as it comes."""

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
from keras import layers as kinds

keras.utils.set_random_seed(1)


def build(command):
    """The model with a softmax at its end, its weights from the file."""
    tensors = common.read_weights(command["folder"])
    named = common.named_layers(command["model"], command.get("dropout", True))
    model = keras.Sequential([keras.Input(common.MODELS[command["model"]]["input"])])
    for name, kind, arguments in named:
        if kind == "conv2d":
            model.add(kinds.Conv2D(arguments[0], 3, activation="relu", name=name))
        elif kind == "max_pooling2d":
            model.add(kinds.MaxPooling2D(2))
        elif kind == "flatten":
            model.add(kinds.Flatten())
        elif kind == "dense":
            model.add(kinds.Dense(arguments[0], activation=arguments[1] or "softmax", name=name))
        elif kind == "dropout":
            model.add(kinds.Dropout(arguments[0]))
    for name, kind, _ in named:
        if kind in ("conv2d", "dense"):
            model.get_layer(name).set_weights([tensors[f"{name}/kernel"], tensors[f"{name}/bias"]])
    optimizer = keras.optimizers.Adam(1e-3, epsilon=common.epsilon(command))
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    return model


class Train(common.Case):
    def __init__(self, command):
        self.model = build(command)
        self.batch = tuple(map(keras.ops.convert_to_tensor, common.read_batch(command)))

    def step(self):
        return self.model.train_on_batch(*self.batch)

    def value(self, result):
        # Keras gives the mean of all losses since the metrics were reset.
        self.model.reset_metrics()
        return [float(np.asarray(result))]


class Predict(common.Case):
    def __init__(self, command):
        self.model = build(command)
        self.x = keras.ops.convert_to_tensor(common.read_batch(command)[0])

    def step(self):
        return self.model.predict_on_batch(self.x)


def versions():
    backend = keras.backend.backend()
    module = __import__(backend)
    return {"keras": keras.__version__, backend: module.__version__}


cases = {"train": Train, "predict": Predict}
common.serve(versions, lambda command: cases[command["run"]](command))

"""Makes the files of `tests/files/keras` that Keras 2 wrote, with what it computes from them.

    python keras2_models.py FOLDER

Keras 2.15 with TensorFlow 2.15. `NAME.npz` is as in `keras_models.py`.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

assert keras.__version__.startswith("2.15"), keras.__version__
L = keras.layers
folder = sys.argv[1]
rng = np.random.default_rng(8)


def path(name):
    return os.path.join(folder, name)


def shake(model):
    for weight in model.weights:
        value = rng.standard_normal(weight.shape) * 0.3
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.name else value)


def write(name, model, shape, labels):
    shake(model)
    for _ in range(3):
        x = rng.standard_normal((8, *shape)).astype("float32")
        model.train_on_batch(x, labels(8))
    model.save(path(name + ".keras"))
    model.save(path(name + ".h5"))
    model.save_weights(path(name + "_weights.h5"), save_format="h5")
    x = rng.standard_normal((3, *shape)).astype("float32")
    expected = {"x0": x, "y0": model.predict(x, verbose=0)}
    tx, ty = rng.standard_normal((8, *shape)).astype("float32"), labels(8)
    model.train_on_batch(tx, ty)
    expected.update({"tx0": tx, "ty0": ty})
    for index, weight in enumerate(model.weights):
        expected[f"after/{index}"] = weight.numpy()
    np.savez(path(name + ".npz"), **expected)


def classes(count):
    return rng.integers(0, 2, (count,)).astype("int32")


def sequential():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            L.Dense(5, activation="relu", input_shape=(4,)),
            L.BatchNormalization(),
            L.LeakyReLU(0.2),
            L.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    write("old_sequential", model, (4,), classes)


def functional():
    keras.utils.set_random_seed(2)
    x = keras.Input((6, 4))
    h = L.Bidirectional(L.LSTM(2))(x)
    inner = keras.Sequential([L.Dense(3, activation="relu", input_shape=(4,)), L.Dense(6)], name="inner")
    h = L.BatchNormalization()(inner(h))
    q = L.Reshape((3, 2))(h)
    q = L.Flatten()(L.MultiHeadAttention(2, 3)(q, q))
    h = L.Concatenate()([h, q])
    model = keras.Model(x, L.Dense(2, activation="softmax")(h))
    model.compile(keras.optimizers.RMSprop(0.01, momentum=0.5), "sparse_categorical_crossentropy")
    write("old_functional", model, (6, 4), classes)


sequential()
functional()

"""Makes the files of `tests/files/keras` that Keras 3 writes, with what it computes from them.

    KERAS_BACKEND=jax python keras_models.py FOLDER

Keras 3.15. Beside `NAME.keras` stands `NAME.npz`: inputs `x0`.., outputs `y0`.., and of models that are
compiled a batch (`tx0`.., `ty0`..) and the weights after one more step with it (`after/0`..).
"""

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

L = keras.layers
folder = sys.argv[1]
rng = np.random.default_rng(7)


def path(name):
    return os.path.join(folder, name)


def inputs(model, count):
    def one(tensor):
        shape = (count, *tensor.shape[1:])
        if "int" in tensor.dtype:
            return rng.integers(0, 5, shape).astype("int32")
        return rng.standard_normal(shape).astype("float32")

    return [one(tensor) for tensor in model.inputs]


def shake(model):
    """Gives all weights values, so that none is what it is initialized with."""
    for weight in model.weights:
        if "float" in weight.dtype:
            value = rng.standard_normal(weight.shape) * 0.3
            weight.assign(np.abs(value) + 0.5 if "variance" in weight.path else value)


def write(name, model, labels=None, also=()):
    expected = {}
    shake(model)
    if labels is not None:
        for _ in range(3):
            model.train_on_batch(inputs(model, 8), labels(8))
    model.save(path(name + ".keras"))
    for ending in also:
        if ending == ".weights.json":
            model.save_weights(path(name + ending), max_shard_size=2e-7)
        elif ending == ".weights.h5":
            model.save_weights(path(name + ending))
        else:
            model.save(path(name + ending))
    # What the file holds, not more: the config of Huber has no delta.
    model = keras.models.load_model(path(name + ".keras"))
    x = inputs(model, 3)
    y = model.predict(x, verbose=0)
    for kind, arrays in [("x", x), ("y", y if isinstance(y, list) else [y])]:
        for index, array in enumerate(arrays):
            expected[f"{kind}{index}"] = array
    if labels is not None:
        tx, ty = inputs(model, 8), labels(8)
        model.train_on_batch(tx, ty)
        for index, array in enumerate(tx):
            expected[f"tx{index}"] = array
        for index, array in enumerate(ty if isinstance(ty, list) else [ty]):
            expected[f"ty{index}"] = array
        for index, weight in enumerate(model.weights):
            expected[f"after/{index}"] = np.asarray(weight)
    np.savez(path(name + ".npz"), **expected)


def classes(count, width=3):
    return rng.integers(0, width, (count,)).astype("int32")


def mlp():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(5, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            L.BatchNormalization(),
            L.Dense(3, activation="softmax"),
        ],
        name="mlp",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    write("mlp", model, classes, also=[".h5", ".weights.h5", ".weights.json"])


def layers():
    keras.utils.set_random_seed(2)
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    x = L.Embedding(5, 4)(tokens)
    x = L.Bidirectional(L.LSTM(2, return_sequences=True))(x)
    x = L.TimeDistributed(L.Dense(4, activation="tanh"))(x)
    x = L.MultiHeadAttention(2, 3, dropout=0.1)(x, x)
    x = L.GroupQueryAttention(2, 4, 2)(x, x)
    x = L.LayerNormalization()(x)
    x = L.RNN([L.LSTMCell(2), L.GRUCell(3), L.LSTMCell(2)])(x)
    x = L.Dropout(0.5)(x)
    inner = keras.Sequential([keras.Input((2,)), L.Dense(3), L.BatchNormalization()], name="inner")
    shared = L.Dense(2, name="shared")
    a = shared(inner(x))
    other = keras.Input((3,), name="other")
    b = shared(other)
    y = L.Concatenate()([a, b])
    frozen = L.BatchNormalization(name="frozen")
    frozen.trainable = False
    y = L.Dense(2, name="out")(frozen(y))
    write("layers", keras.Model([tokens, other], [y, L.PReLU()(a)], name="layers"))


def images():
    keras.utils.set_random_seed(3)
    base = keras.Sequential(
        [keras.Input((6, 6, 2)), L.Conv2D(3, 3, padding="same"), L.MaxPooling2D(2)], name="base"
    )
    base.trainable = False
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            L.Rescaling(0.5),
            base,
            L.DepthwiseConv2D(2, depth_multiplier=2),
            L.SeparableConv2D(2, 2, padding="same"),
            L.Conv2DTranspose(2, 2),
            L.GlobalAveragePooling2D(),
            L.Dense(2, activation=keras.activations.gelu),
        ],
        name="images",
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), keras.losses.Huber(0.5))
    write("images", model, lambda n: rng.standard_normal((n, 2)).astype("float32"))


def outputs():
    keras.utils.set_random_seed(4)
    x = keras.Input((3,), name="x")
    h = L.Dense(4, activation="elu", name="hidden")(x)
    a = L.Dense(1, activation="sigmoid", name="a")(h)
    b = L.Dense(2, name="b")(h)
    model = keras.Model(x, [a, b], name="outputs")
    model.compile(
        keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True, clipnorm=1.0),
        {"a": "binary_crossentropy", "b": keras.losses.MeanAbsoluteError()},
        loss_weights={"a": 0.5, "b": 2.0},
        metrics={"a": ["accuracy"], "b": [keras.metrics.MeanSquaredError(name="squared")]},
    )

    def labels(n):
        return [
            rng.integers(0, 2, (n, 1)).astype("float32"),
            rng.standard_normal((n, 2)).astype("float32"),
        ]

    write("outputs", model, labels)


def optimizers():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    for name, optimizer in {
        "adam": keras.optimizers.Adam(0.01, amsgrad=True, use_ema=True),
        "adafactor": keras.optimizers.Adafactor(0.01),
        "nadam": keras.optimizers.Nadam(0.01),
        "sgd": keras.optimizers.SGD(schedule),
        "ftrl": keras.optimizers.Ftrl(0.1),
        "adadelta": keras.optimizers.Adadelta(0.1, gradient_accumulation_steps=2),
    }.items():
        keras.utils.set_random_seed(5)
        model = keras.Sequential([keras.Input((2,)), L.Dense(2), L.Dense(1)], name="line")
        model.compile(optimizer, "mse")
        write("optimizer_" + name, model, lambda n: rng.standard_normal((n, 1)).astype("float32"))


mlp()
layers()
images()
outputs()
optimizers()

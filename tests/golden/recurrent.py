"""Reference cases of recurrent layers in the form that README.md tells, by Keras 3.15 on TensorFlow in float64, on inputs that
are exact in f32.

    python3 recurrent.py layer
"""

import json
import os
import struct
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

keras.backend.set_floatx("float64")
rng = np.random.default_rng(5)


def exact(shape, scale):
    return rng.integers(-8, 9, shape).astype("float32") / scale


def write(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        tensor = np.ascontiguousarray(tensor, dtype="<f4")
        offsets = [len(data), len(data) + tensor.nbytes]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        data += tensor.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def case(name, layer, shape):
    x = exact(shape, 8)
    layer.build(shape)
    weights = [exact(weight.shape, 16) for weight in layer.weights]
    layer.set_weights(weights)
    variable = tf.Variable(x.astype("float64"))
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(layer(variable))
        cotangents = [exact(y.shape, 8) for y in outputs]
        pairs = zip(outputs, cotangents)
        loss = sum(tf.reduce_sum(y * dy.astype("float64")) for y, dy in pairs)
    trained = [weight.value for weight in layer.trainable_weights]
    dx, *gradients = tape.gradient(loss, [variable] + trained)
    tensors = {"x0": x, "dx0": np.asarray(dx)}
    for index, (weight, gradient) in enumerate(zip(weights, gradients)):
        tensors |= {f"w/{index}": weight, f"dw/{index}": np.asarray(gradient)}
    for index, (y, dy) in enumerate(zip(outputs, cotangents)):
        tensors |= {f"y{index}": np.asarray(y), f"dy{index}": dy}
    config = json.dumps(keras.saving.serialize_keras_object(layer)).replace("float64", "float32")
    paths = [weight.path for weight in layer.weights]
    extra = {"training": False, "call_list": False, "weights": paths, "call": {}}
    metadata = {"kind": "layer", "config": config, "extra": json.dumps(extra)}
    write(f"{sys.argv[1]}/{name}.safetensors", tensors, metadata)


L = keras.layers
case("conv_lstm1d", L.ConvLSTM1D(3, 2), (2, 3, 5, 2))
case(
    "conv_lstm2d_same",
    L.ConvLSTM2D(3, (2, 3), padding="same", strides=2, return_sequences=True),
    (2, 3, 5, 4, 2),
)
case(
    "conv_lstm2d_back_state",
    L.ConvLSTM2D(2, 2, return_state=True, go_backwards=True, use_bias=False),
    (2, 3, 4, 3, 1),
)
case(
    "conv_lstm3d",
    L.ConvLSTM3D(2, 2, padding="same", recurrent_activation="hard_sigmoid"),
    (1, 2, 2, 3, 2, 2),
)
case(
    "rnn_stacked",
    L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True, return_state=True),
    (2, 4, 3),
)
case("rnn_gru_cell", L.RNN(L.GRUCell(3, reset_after=False)), (2, 4, 3))
case(
    "bidirectional_state_none",
    L.Bidirectional(L.LSTM(2, return_sequences=True, return_state=True), merge_mode=None),
    (2, 4, 3),
)
case("bidirectional_ave", L.Bidirectional(L.SimpleRNN(2), merge_mode="ave"), (2, 4, 3))

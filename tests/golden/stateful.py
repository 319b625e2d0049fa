"""Reference cases of stateful recurrent layers in the form that README.md tells, by Keras 3.15 on JAX in float32: one call
that goes on with the states of the batch before. In Keras these are no weights; here they stand before those of their layer, and
`after/i` are the states after the call.

    python3 stateful.py layer
"""

import json
import os
import struct
import sys

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np

rng = np.random.default_rng(7)


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


def parts(layer):
    """The layers that have states of their own."""
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    return [layer]


def case(name, layer, shape):
    x = exact(shape, 8)
    layer(keras.Input(batch_shape=shape))
    variables, carried = [], []
    for part in parts(layer):
        states = keras.tree.flatten(part.states)
        carried += [len(variables) + index for index in range(len(states))]
        variables += states + part.weights
    first = [exact(variable.shape, 16) for variable in variables]

    def reset():
        for variable, value in zip(variables, first):
            variable.assign(value)

    reset()
    outputs = keras.tree.flatten(layer(x))
    after = {index: np.asarray(variables[index].value) for index in carried}
    cotangents = [exact(y.shape, 8) for y in outputs]
    reset()

    def loss(x, trainable):
        others = [variable.value for variable in layer.non_trainable_variables]
        ys = keras.tree.flatten(layer.stateless_call(trainable, others, x)[0])
        return sum((y * dy).sum() for y, dy in zip(ys, cotangents))

    trained = [variable.value for variable in layer.trainable_variables]
    dx, gradients = jax.grad(loss, (0, 1))(x, trained)
    place = {id(variable): index for index, variable in enumerate(variables)}
    tensors = {"x0": x, "dx0": dx}
    tensors |= {f"w/{index}": value for index, value in enumerate(first)}
    for variable, gradient in zip(layer.trainable_variables, gradients):
        tensors[f"dw/{place[id(variable)]}"] = gradient
    tensors |= {f"after/{index}": value for index, value in after.items()}
    for index, (y, dy) in enumerate(zip(outputs, cotangents)):
        tensors |= {f"y{index}": y, f"dy{index}": dy}
    config = json.dumps(keras.saving.serialize_keras_object(layer))
    paths = [variable.path for variable in variables]
    extra = {"training": False, "call_list": False, "weights": paths, "call": {}}
    metadata = {"kind": "layer", "config": config, "extra": json.dumps(extra)}
    write(f"{sys.argv[1]}/{name}.safetensors", tensors, metadata)


L = keras.layers
case("simple_rnn_stateful", L.SimpleRNN(3, stateful=True), (2, 4, 3))
case("lstm_stateful", L.LSTM(3, stateful=True, return_sequences=True), (2, 4, 3))
case("gru_stateful_state", L.GRU(3, stateful=True, return_state=True, go_backwards=True), (2, 4, 3))
case("rnn_stacked_stateful", L.RNN([L.LSTMCell(3), L.GRUCell(2)], stateful=True), (2, 4, 3))
case("conv_lstm2d_stateful", L.ConvLSTM2D(2, 2, stateful=True), (2, 3, 4, 3, 1))
case("bidirectional_stateful", L.Bidirectional(L.LSTM(2, stateful=True)), (2, 4, 3))

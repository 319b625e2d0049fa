"""Writes the first model as an ONNX file, without any package: a file of protocol buffers is names, numbers and lengths."""

import json
import struct
from array import array


def read_safetensors(path):
    """The tensors of a safetensors file of f32: name to (shape, numbers)."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = (entry["shape"], array("f", data[begin:end]))
    return tensors


def transposed(shape, numbers, order):
    """The tensor whose axis k is axis `order[k]` of this one."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    places = [0]
    for axis in order:
        places = [place + i * strides[axis] for place in places for i in range(shape[axis])]
    return [shape[axis] for axis in order], array("f", (numbers[place] for place in places))


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """A field: a number, or a text, bytes or message with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, shape, numbers):
    dims = b"".join(field(1, extent) for extent in shape)
    return dims + field(2, 1) + field(8, name) + field(9, numbers.tobytes())


def attribute(name, value):
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    return field(1, name) + b"".join(field(8, number) for number in value) + field(20, 7)


def node(op, inputs, output, **attributes):
    names = b"".join(field(1, name) for name in inputs) + field(2, output)
    attributes = b"".join(field(5, attribute(*item)) for item in attributes.items())
    return names + field(3, output) + field(4, op) + attributes


def value_info(name, shape):
    dims = b"".join(field(1, field(1, extent)) for extent in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def write_mnist_cnn(weights, path, batch):
    """The prediction of the first model for this size of batch: `x: [batch, 1, 28, 28]` to `y: [batch, 10]`."""
    weights = read_safetensors(weights)
    tensors = {name: weights[name] for name in weights if name.endswith("bias")}
    for name in ("conv2d/kernel", "conv2d_1/kernel"):
        tensors[name] = transposed(*weights[name], (3, 2, 0, 1))
    # Rows follow the flattened image: [height, width, channels] in Keras, [channels, height, width] in ONNX.
    shape, numbers = weights["dense/kernel"]
    _, numbers = transposed([5, 5, 64, shape[1]], numbers, (2, 0, 1, 3))
    tensors["dense/kernel"] = (shape, numbers)
    tensors["dense_1/kernel"] = weights["dense_1/kernel"]
    pool = {"kernel_shape": (2, 2), "strides": (2, 2)}
    layer = lambda x, name: [x, f"{name}/kernel", f"{name}/bias"]
    nodes = [
        node("Conv", layer("x", "conv2d"), "a", kernel_shape=(3, 3)),
        node("Relu", ["a"], "b"),
        node("MaxPool", ["b"], "c", **pool),
        node("Conv", layer("c", "conv2d_1"), "d", kernel_shape=(3, 3)),
        node("Relu", ["d"], "e"),
        node("MaxPool", ["e"], "f", **pool),
        node("Flatten", ["f"], "g", axis=1),
        node("Gemm", layer("g", "dense"), "h"),
        node("Relu", ["h"], "i"),
        node("Gemm", layer("i", "dense_1"), "j"),
        node("Softmax", ["j"], "y", axis=1),
    ]
    graph = b"".join(field(1, n) for n in nodes) + field(2, "mnist_cnn")
    graph += b"".join(field(5, tensor(name, *value)) for name, value in sorted(tensors.items()))
    graph += field(11, value_info("x", (batch, 1, 28, 28))) + field(12, value_info("y", (batch, 10)))
    opset = field(1, "") + field(2, 17)
    path.write_bytes(field(1, 8) + field(2, "brolga-compare") + field(7, graph) + field(8, opset))

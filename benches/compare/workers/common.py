"""What the workers of the Python peers share: the protocol, the files, the models, the made-up numbers.

A worker answers each line of JSON on standard input with one on standard output (README.md). What libraries print goes to standard
error, so that it is never taken for an answer.
"""

import argparse
import json
import os
import struct
import sys
import time
from dataclasses import dataclass, replace

import numpy as np

SAMPLES = 101
"""How many elements of a result are compared, at even distances."""


@dataclass(frozen=True)
class Layer:
    """A call of a layer: class and arguments as in Keras's JSON, and the layers whose results it takes."""

    name: str
    kind: str
    config: dict
    inputs: list


class Task:
    """What Brolga's worker has written: a model, its loss, first weights in Keras's layout, and a batch."""

    def __init__(self, command):
        folder = command["folder"]
        with open(os.path.join(folder, "task.json")) as file:
            task = json.load(file)
        self.json = task["model"]
        self.loss = task["loss"]
        self.optimizer = task["optimizer"]
        config = task["model"]["config"]
        self.layers = [layer(entry) for entry in config["layers"]]
        if not command.get("dropout", True):
            self.layers = [replace(l, kind="Identity") if l.kind == "Dropout" else l for l in self.layers]
            quiet = lambda l: replace(l, config=l.config | {"dropout": 0.0})
            self.layers = [quiet(l) if l.kind == "MultiHeadAttention" else l for l in self.layers]
        self.inputs = [name for name, _, _ in config["input_layers"]]
        self.output = config["output_layers"][0][0]
        self.weights = read_weights(folder)
        of = lambda start: [e for e in task["inputs"] if e["name"].startswith(start)]
        self.x = [read_numbers(folder, entry) for entry in of("x")]
        # A model that predicts alone has targets that nobody reads.
        self.y = read_numbers(folder, of("y")[-1])

    def variables(self, layer):
        """The weights of a layer, by their names within it."""
        names = [name for name in self.weights if name.startswith(f"{layer.name}/")]
        return {name.removeprefix(f"{layer.name}/"): self.weights[name] for name in names}

    def with_logits(self):
        """The layers but for the activation of the last one, where the loss takes it in."""
        taken = self.loss.endswith("crossentropy")
        linear = lambda l: replace(l, config=l.config | {"activation": "linear"})
        return [linear(l) if taken and l.name == self.output else l for l in self.layers]


def layer(entry):
    inputs = []

    def visit(value):
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            inputs.append(value["config"]["keras_history"][0])
        elif isinstance(value, (dict, list)):
            for part in value.values() if isinstance(value, dict) else value:
                visit(part)

    visit(entry["inbound_nodes"])
    return Layer(entry["name"], entry["class_name"], entry["config"], inputs)


def same_padding(extent, kernel, stride):
    """What the padding `same` adds before and after an axis."""
    total = max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
    return total // 2, total - total // 2


def read_weights(folder):
    """The tensors of the weights file, in Keras's layout."""
    with open(os.path.join(folder, "weights.safetensors"), "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"]).copy()
    return tensors


def read_numbers(folder, entry):
    """The numbers of an input."""
    path = os.path.join(folder, f"{entry['name'].replace('/', '.')}.{entry['dtype']}")
    dtype = {"f32": "<f4", "i32": "<i4"}[entry["dtype"]]
    return np.fromfile(path, dtype).reshape(entry["shape"])


def noise(shape, seed):
    """Numbers in [-0.5, 0.5) that follow from their places alone; Brolga's worker computes the same."""
    bits = np.arange(int(np.prod(shape)), dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 % 2**32)
    bits = (bits ^ (bits >> 16)) * np.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> 13)) * np.uint32(0xC2B2AE35)
    bits ^= bits >> 16
    return ((bits >> 8).astype(np.float32) / np.float32(2**24) - np.float32(0.5)).reshape(shape)


def epsilon(command):
    """The epsilon of Adam; Keras's, if none is given."""
    return command.get("epsilon", 1e-7)


def samples(result):
    """The elements that are compared, of a result in Brolga's layout."""
    result = np.asarray(result).reshape(-1)
    if result.size > 10 * SAMPLES:
        result = result[np.arange(SAMPLES) * (result.size - 1) // (SAMPLES - 1)]
    return [float(value) for value in result]


class Case:
    """Something that can be run again and again.

    `step` begins one run, and returns what `value` makes numbers of; `wait` returns when all that has begun is done.
    """

    compile_seconds = None

    def step(self):
        raise NotImplementedError

    def value(self, result):
        return samples(result)

    def wait(self, result):
        pass


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    return parser


def serve(versions, make):
    """Answers commands until standard input ends. `make(command)` makes a case."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cases = {}
    for line in sys.stdin:
        try:
            answer = run(json.loads(line), versions, make, cases)
        except Exception as error:  # Whatever a peer raises is its answer.
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run(command, versions, make, cases):
    if command["run"] == "hello":
        return {"versions": versions()}
    if command["run"] == "forget":
        cases.clear()
        return {}
    changing = ("steps", "seconds", "warm")
    key = json.dumps({k: v for k, v in command.items() if k not in changing}, sort_keys=True)
    if command.get("values"):
        case = make(command)
        return {"values": [v for _ in range(command.get("steps", 1)) for v in case.value(case.step())]}
    answer = {}
    if key not in cases:
        start = time.perf_counter()
        case = make(command)
        case.wait(case.step())
        answer["prepare"] = time.perf_counter() - start
        answer["compile"] = case.compile_seconds
        cases[key] = case
    case = cases[key]
    start = time.perf_counter()
    while time.perf_counter() - start < command.get("warm", 0.0):
        case.wait(case.step())
    return answer | timed(case, command.get("steps", 1), command.get("seconds"))


def timed(case, wanted, seconds):
    """As many steps as are wanted, or as begin in these seconds."""
    steps = 0
    result = None
    start = time.perf_counter()
    while steps < wanted if seconds is None else steps == 0 or time.perf_counter() - start < seconds:
        result = case.step()
        steps += 1
    case.wait(result)
    return {"steps": steps, "seconds": time.perf_counter() - start}

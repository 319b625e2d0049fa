"""Writes what Keras's functions of data sets give: values.json beside this file.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0 soundfile==0.13.1
    KERAS_BACKEND=tensorflow python reference.py
"""

import json
import tempfile
import wave
from pathlib import Path

import keras
import numpy as np
import soundfile
import tensorflow as tf
from keras.src.utils import dataset_utils

FILES = [
    "b/10.txt", "b/2.txt", "b/below/1.txt", "b/below-b/1.txt", "b/below/deeper/x.TXT", "b/notes.md",
    "a/z.txt", "a/A.txt", "a/ä.txt", "c/1.txt", "c/.txt", ".hidden/1.txt", "top.txt",
]


def orders():
    with tempfile.TemporaryDirectory() as folder:
        for file in FILES:
            path = Path(folder, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file)
        Path(folder, "empty").mkdir()
        count = sum(file.lower().endswith(".txt") for file in FILES)
        for labels, class_names in [
            ("inferred", None), ("inferred", ["c", "a"]), (None, None), ([n % 3 for n in range(count)], None),
        ]:
            for seed in [None, 0, 1, 1337]:
                given = list(labels) if isinstance(labels, list) else labels
                paths, found, names = dataset_utils.index_directory(
                    folder, given, (".txt",), class_names, shuffle=seed is not None, seed=seed, verbose=False
                )
                for split in [None, 0.2, 0.35]:
                    result = {
                        "labels": labels, "class_names": class_names, "seed": seed,
                        "validation_split": split, "names": names,
                    }
                    for subset in ["training", "validation"]:
                        part, of_part = dataset_utils.get_training_or_validation_split(
                            paths, found, split, subset
                        )
                        result[subset] = [str(Path(p).relative_to(folder)) for p in part]
                        result[subset + "_labels"] = None if of_part is None else [int(x) for x in of_part]
                    yield result


def timeseries():
    data = np.arange(60.0).reshape(30, 2)
    targets = np.arange(100.0, 130.0)
    for arguments in [
        {"sequence_length": 4},
        {"sequence_length": 3, "sequence_stride": 4, "sampling_rate": 2, "batch_size": 3},
        {"sequence_length": 5, "start_index": 3, "end_index": 21, "batch_size": 8},
        {"sequence_length": 2, "sampling_rate": 7, "start_index": 10, "batch_size": 5},
    ]:
        for given in [None, targets]:
            dataset = keras.utils.timeseries_dataset_from_array(data, given, **arguments)
            batches = [batch if given is not None else (batch, None) for batch in dataset]
            yield {
                "arguments": arguments,
                "targets": given is not None,
                "x": [np.array(x).astype(int).tolist() for x, _ in batches],
                "y": [None if y is None else np.array(y).astype(int).tolist() for _, y in batches],
            }


def padded():
    sequences = [[1], [2, 3], [], [4, 5, 6, 7]]
    for maxlen in [None, 0, 1, 2, 5]:
        for padding in ["pre", "post"]:
            for truncating in ["pre", "post"]:
                arguments = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "value": -1}
                if maxlen != 0:
                    y = keras.utils.pad_sequences(sequences, **arguments)
                    yield {"arguments": arguments, "x": sequences, "y": y.tolist()}


def sounds():
    samples = [0, 1, -1, 255, -256, 12345, -12345, 32767, -32768, 2]
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        for channels in [1, 2]:
            with wave.open(file.name, "wb") as writer:
                writer.setnchannels(channels)
                writer.setsampwidth(2)
                writer.setframerate(8000)
                writer.writeframes(np.array(samples, "<i2").tobytes())
            for length in [-1, 3, 12]:
                audio, rate = tf.audio.decode_wav(Path(file.name).read_bytes(), desired_samples=length)
                yield {
                    "samples": samples, "channels": channels, "length": length, "rate": int(rate),
                    "y": audio.numpy().astype(float).tolist(),
                }


def compressed():
    random = np.random.RandomState(5)
    for channels, subtype, unit in [(1, "PCM_16", 2**15), (2, "PCM_16", 2**15), (1, "PCM_24", 2**23)]:
        samples = random.randint(-unit, unit, size=(40, channels))
        samples[:20] = np.arange(20)[:, None] * 3
        with tempfile.NamedTemporaryFile(suffix=".flac") as file:
            soundfile.write(file.name, samples / unit, 11025, subtype=subtype)
            bytes = Path(file.name).read_bytes()
        yield {"file": bytes.hex(), "rate": 11025, "y": (samples / unit).tolist()}


lines = lambda cases: "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]"
parts = {"orders": orders(), "timeseries": timeseries(), "padded": padded(), "sounds": sounds(),
         "compressed": compressed()}
text = ",\n".join(f'"{name}": {lines(cases)}' for name, cases in parts.items())
Path(__file__).with_name("values.json").write_text("{\n" + text + "\n}\n")

"""Writes what Keras's layers of texts, categories and sound give: cases.json beside this file.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0 scipy
    KERAS_BACKEND=tensorflow python reference.py
"""

import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

random = np.random.RandomState(7)
TEXTS = [
    "The crane dances. The crane, in spring, dances!",
    "A frog (green) sleeps; it's the frog's day.",
    "  spring  comes\tand\nthe crane sings  ",
    "",
    "Été — the CRANE's nest_egg: été!",
]
WORDS = [["cat", "dog", ""], ["cow", "cat", "cat"], ["owl", "", "ant"], ["dog", "dog", "owl"]]
NUMBERS = [[3, -7, 0, 11], [5, 3, 3, -1], [100, 0, 11, 42]]


def plain(value):
    """Arrays and tensors as lists, texts as str."""
    if isinstance(value, tf.RaggedTensor):
        return plain(value.to_list())
    if hasattr(value, "numpy"):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "values": plain(value.reshape(-1).tolist())}
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def case(layer, data, adapt=None):
    if adapt is not None:
        layer.adapt(np.array(adapt))
    config = json.loads(json.dumps(layer.get_config(), default=lambda x: x.get_config()))
    result = {"class": type(layer).__name__, "config": config, "adapt": adapt, "x": data}
    result["y"] = plain(layer(np.array(data)))
    if hasattr(layer, "get_vocabulary"):
        result["vocabulary"] = [plain(token) for token in layer.get_vocabulary()]
        result["vocabulary"] = [
            token.item() if hasattr(token, "item") else token for token in result["vocabulary"]
        ]
    if isinstance(layer, layers.Discretization):
        result["boundaries"] = [float(x) for x in layer.bin_boundaries]
    return result


def vectorizations():
    yield case(layers.TextVectorization(), TEXTS, TEXTS)
    yield case(layers.TextVectorization(max_tokens=6), TEXTS, TEXTS)
    yield case(layers.TextVectorization(output_sequence_length=4), TEXTS, TEXTS)
    yield case(layers.TextVectorization(output_sequence_length=20), [[t] for t in TEXTS], TEXTS)
    for standardize in [None, "lower", "strip_punctuation"]:
        yield case(layers.TextVectorization(standardize=standardize), TEXTS, TEXTS)
    yield case(layers.TextVectorization(split="character"), TEXTS, TEXTS)
    yield case(layers.TextVectorization(split=None), TEXTS, TEXTS)
    yield case(layers.TextVectorization(split=None), [[t] for t in TEXTS], TEXTS)
    yield case(layers.TextVectorization(split=None, output_sequence_length=3), [[t] for t in TEXTS], TEXTS)
    yield case(layers.TextVectorization(ngrams=2), TEXTS, TEXTS)
    yield case(layers.TextVectorization(ngrams=(3, 1)), TEXTS, TEXTS)
    for mode in ["multi_hot", "count", "tf_idf"]:
        yield case(layers.TextVectorization(output_mode=mode), TEXTS, TEXTS)
        yield case(layers.TextVectorization(output_mode=mode, max_tokens=5), TEXTS, TEXTS)
        yield case(
            layers.TextVectorization(output_mode=mode, max_tokens=40, pad_to_max_tokens=True),
            TEXTS,
            TEXTS,
        )
    yield case(layers.TextVectorization(output_mode="count", split=None), [[t] for t in TEXTS], TEXTS)
    yield case(layers.TextVectorization(vocabulary=["crane", "the", "frog"]), TEXTS)
    yield case(layers.TextVectorization(vocabulary=["", "[UNK]", "crane", "the"]), TEXTS)
    yield case(layers.TextVectorization(ragged=True), TEXTS, TEXTS)
    yield case(layers.TextVectorization(ragged=True, output_sequence_length=3), TEXTS, TEXTS)


def strings():
    new = layers.StringLookup
    yield case(new(), WORDS, WORDS)
    yield case(new(mask_token=""), WORDS, WORDS)
    yield case(new(max_tokens=4, mask_token=""), WORDS, WORDS)
    yield case(new(), ["cat", "ant", "bee"], ["cat", "ant", "cat"])
    yield case(new(num_oov_indices=3, vocabulary=["cat"]), WORDS)
    yield case(new(num_oov_indices=5, mask_token="", vocabulary=["cat"], salt=7), WORDS)
    yield case(new(num_oov_indices=4, vocabulary=["cat"], salt=[3, -9]), WORDS)
    yield case(new(num_oov_indices=0, vocabulary=["cat", "dog", "cow", "owl", "ant", ""]), WORDS)
    yield case(new(vocabulary=["[UNK]", "dog", "cat"]), WORDS)
    yield case(new(oov_token="?", mask_token="-", vocabulary=["-", "?", "dog"]), WORDS)
    for mode in ["one_hot", "multi_hot", "count", "tf_idf"]:
        if mode != "one_hot":
            yield case(new(output_mode=mode, mask_token=""), WORDS, WORDS)
        yield case(
            new(output_mode=mode, max_tokens=9, pad_to_max_tokens=True), WORDS[0], WORDS
        )
    yield case(new(output_mode="one_hot"), WORDS, WORDS)
    yield case(new(output_mode="one_hot"), [[w[0]] for w in WORDS], WORDS)
    yield case(new(output_mode="count", num_oov_indices=2, max_tokens=4), WORDS, WORDS)
    yield case(new(output_mode="tf_idf", vocabulary=["cat", "dog"], idf_weights=[0.5, 2.0]), WORDS)
    yield case(
        new(
            output_mode="tf_idf",
            vocabulary=["[UNK]", "cat", "dog"],
            idf_weights=[0.25, 0.5, 2.0],
            pad_to_max_tokens=True,
            max_tokens=5,
        ),
        WORDS,
    )
    yield case(new(invert=True, vocabulary=["cat", "dog"]), [[0, 1, 2], [3, 9, -1]])
    yield case(new(invert=True, mask_token="", vocabulary=["cat", "dog"]), [[0, 1, 2], [3, 9, -1]])
    yield case(
        new(invert=True, num_oov_indices=2, oov_token="?", vocabulary=["cat", "dog"]), [0, 1, 2, 3, 4]
    )


def integers():
    new = layers.IntegerLookup
    yield case(new(), NUMBERS, NUMBERS)
    yield case(new(mask_token=0), NUMBERS, NUMBERS)
    yield case(new(max_tokens=3, mask_token=0), NUMBERS, NUMBERS)
    yield case(new(num_oov_indices=3, vocabulary=[3]), NUMBERS)
    yield case(new(num_oov_indices=3, vocabulary=[3], oov_method="farmhash"), NUMBERS)
    yield case(new(num_oov_indices=3, vocabulary=[3], oov_method="farmhash", salt=11), NUMBERS)
    yield case(new(num_oov_indices=0, vocabulary=[3, -7, 0, 11, 5, -1, 100, 42]), NUMBERS)
    for mode in ["multi_hot", "count", "tf_idf"]:
        yield case(new(output_mode=mode), NUMBERS, NUMBERS)
        yield case(new(output_mode=mode, mask_token=3, num_oov_indices=2, max_tokens=6), NUMBERS, NUMBERS)
    yield case(new(output_mode="one_hot"), [[n[0]] for n in NUMBERS], NUMBERS)
    yield case(new(output_mode="count", max_tokens=12, pad_to_max_tokens=True), NUMBERS, NUMBERS)
    yield case(new(invert=True, mask_token=0, vocabulary=[12, 36]), [[0, 1, 2], [3, 4, -1]])


def hashings():
    new = layers.Hashing
    letters = ["A", "B", "C", "D", "E"]
    yield case(new(3), letters)
    yield case(new(3, salt=1337), letters)
    yield case(new(7, salt=(133, 137)), letters)
    yield case(new(3, mask_value=""), ["A", "", "B", "C", ""])
    yield case(new(1, mask_value="A"), letters)
    yield case(new(5), NUMBERS)
    yield case(new(5, mask_value=3), NUMBERS)
    yield case(new(5, salt=2), NUMBERS)
    for mode in ["one_hot", "multi_hot", "count"]:
        yield case(new(4, output_mode=mode), NUMBERS)
        yield case(new(4, output_mode=mode), [[n[0]] for n in NUMBERS])
        yield case(new(4, output_mode=mode), letters)
    texts = ["".join(random.choice(list("abcdefgh éß"), length)) for length in [*range(70), 127, 128, 129, 192, 200]]
    yield case(new(2**31 - 1), texts)
    yield case(new(2**31 - 1, salt=(5, 6)), texts)


def discretizations():
    new = layers.Discretization
    x = (np.round(random.normal(size=(3, 4)) * 64) / 64).tolist()
    few = [1.0, 2.0, 2.0, 3.0, 7.0]
    many = (np.round(random.normal(size=(20, 31)) * 64) / 64).tolist()
    ranks = (random.permutation(300) / 8.0).tolist()
    yield case(new(bin_boundaries=[-1.0, 0.0, 0.5]), x)
    yield case(new(bin_boundaries=[1.0, 2.0, 3.0]), few)
    for mode in ["one_hot", "multi_hot", "count"]:
        yield case(new(bin_boundaries=[-0.5, 0.5], output_mode=mode), x)
    yield case(new(bin_boundaries=[-0.5, 0.5], output_mode="one_hot"), [[row[0]] for row in x])
    yield case(new(num_bins=4), x, few)
    yield case(new(num_bins=8), x, few)
    for bins, epsilon in [(2, 0.01), (5, 0.01), (16, 0.01), (4, 0.1), (7, 0.003)]:
        yield case(new(num_bins=bins, epsilon=epsilon), x, many)
        yield case(new(num_bins=bins, epsilon=epsilon), x, ranks)


def spectrogram(layer, x):
    y = layer(tf.constant(x, "float32"))
    config = json.loads(json.dumps(layer.get_config(), default=lambda x: x.get_config()))
    config.pop("dtype", None)
    return {"class": type(layer).__name__, "config": config, "x": rounded(np.array(x)), "y": rounded(y)}


def rounded(y):
    y = plain(y)
    y["values"] = [float(f"{value:.7g}") for value in y["values"]]
    return y


def signal(*shape):
    """Tones and noise that f32 holds with few digits."""
    samples = shape[1]
    time = np.arange(samples)
    x = random.uniform(-0.25, 0.25, size=shape)
    for frequency in [0.031, 0.11]:
        tone = np.sin(2 * np.pi * frequency * time)
        x = x + 0.5 * tone.reshape((1, samples) + (1,) * (len(shape) - 2))
    return np.round(x * 256) / 256


def spectrograms():
    new = layers.STFTSpectrogram
    x = signal(2, 48, 2)
    for mode in ["log", "magnitude", "psd", "real", "imag", "angle", "stft"]:
        yield spectrogram(new(mode=mode, frame_length=16, frame_step=8), x)
    yield spectrogram(new(mode="magnitude", frame_length=16, padding="same", fft_length=32), x)
    yield spectrogram(new(mode="stft", frame_length=10, frame_step=3, expand_dims=True), x)
    yield spectrogram(new(mode="log", frame_length=12, expand_dims=True, padding="same"), x)
    for window, scaling, periodic in [
        ("hamming", "spectrum", True),
        ("blackman", None, False),
        (None, "density", False),
        ([float(n % 5) for n in range(12)], "spectrum", False),
    ]:
        layer = new(mode="real", frame_length=12, window=window, scaling=scaling, periodic=periodic)
        yield spectrogram(layer, x)
    for window in [
        "barthann", "bartlett", "blackmanharris", "bohman", "boxcar", "cosine", "flattop", "lanczos",
        "nuttall", "parzen", "triang",
    ]:
        for length, periodic in [(7, True), (8, False)]:
            layer = new(mode="real", frame_length=length, window=window, periodic=periodic)
            yield spectrogram(layer, x[:1, :16, :1])
    new = layers.MelSpectrogram
    x = signal(2, 300)
    yield spectrogram(new(fft_length=64, sequence_stride=32, sampling_rate=8000, num_mel_bins=8), x)
    yield spectrogram(
        new(fft_length=64, sequence_stride=20, sequence_length=48, window="hamming", num_mel_bins=5,
            power_to_db=False, mag_exp=1.0, min_freq=100.0, max_freq=3000.0, sampling_rate=8000),
        x,
    )
    yield spectrogram(
        new(fft_length=48, sequence_stride=24, window=None, num_mel_bins=6, top_db=20.0,
            ref_power=2.0, min_power=1e-3, sampling_rate=4000),
        x,
    )
    yield spectrogram(
        new(fft_length=30, sequence_stride=7, num_mel_bins=4, power_to_db=False, sampling_rate=4000), x
    )
    yield spectrogram(new(fft_length=256, sequence_stride=128, num_mel_bins=20), x)


cases = [
    *vectorizations(), *strings(), *integers(), *hashings(), *discretizations(), *spectrograms()
]
path = Path(__file__).with_name("cases.json")
path.write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")

"""What is compared: the cases, each with the command that the workers are given for it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    section: str
    name: str
    command: dict
    # Operations of a run, a multiply-add counted as two; of the models Brolga's worker tells it.
    flops: int | None = None
    # Steps whose values are compared.
    checked: int = 1


def training():
    batches = {
        "mnist_cnn": (32, 128),
        "mlp": (32, 128),
        "lenet5": (128,),
        "residual": (32,),
        "separable": (32,),
        "autoencoder": (128,),
        "tabular": (256,),
        "tanh": (10_000,),
        "lstm": (32,),
        "gru": (16,),
        "transformer": (32,),
        "transformer512": (4,),
        "speech_ctc": (16,),
        "two_towers": (1024,),
    }
    for model, sizes in batches.items():
        # PyTorch's third loss of the separable network is 1.1e-4 off all others'.
        checked = 2 if model == "separable" else 3
        for batch in sizes:
            command = {"run": "train", "model": model, "batch": batch}
            yield Case("train", f"train {model} batch {batch}", command, checked=checked)


def prediction():
    models = [("mnist_cnn", batch) for batch in (1, 32, 256)]
    models += [(model, 1) for model in ("resnet50", "vgg19", "densenet121", "mobilenet_v2", "generation")]
    for model, batch in models:
        command = {"run": "predict", "model": model, "batch": batch}
        yield Case("predict", f"predict {model} batch {batch}", command)


# The stem of ResNet-50, then reduce, 3x3 and expand of its four stages: pixels of the input, channels, kernel, filters, stride.
CONVOLUTIONS = [(224, 3, 7, 64, 2)]
for stage, pixels in enumerate((56, 28, 14, 7)):
    narrow, wide = 64 << stage, 256 << stage
    CONVOLUTIONS += [
        (pixels, wide, 1, narrow, 1),
        (pixels, narrow, 3, narrow, 1),
        (pixels, narrow, 1, wide, 1),
    ]


def taps(pixels, kernel, stride):
    """How many taps of an axis fall on pixels, over all places of the window."""
    pad = kernel // 2
    places = (pixels + 2 * pad - kernel) // stride + 1
    taps = ((i * stride + tap - pad) for i in range(places) for tap in range(kernel))
    return sum(0 <= tap < pixels for tap in taps)


def convolutions():
    for pixels, channels, kernel, filters, stride in CONVOLUTIONS:
        for batch in (1, 8):
            flops = 2 * batch * taps(pixels, kernel, stride) ** 2 * channels * filters
            for direction in ("forward", "input", "filter"):
                shape = f"{kernel}x{kernel}/{stride} {channels}->{filters} at {pixels}"
                command = {
                    "run": "conv",
                    "pass": direction,
                    "batch": batch,
                    "pixels": pixels,
                    "channels": channels,
                    "kernel": kernel,
                    "filters": filters,
                    "stride": stride,
                }
                yield Case("conv", f"conv {shape} batch {batch} {direction}", command, flops)


def products():
    shapes = [(32, 1600, 128), (128, 784, 512), (512,) * 3, (1024,) * 3, (2048, 128, 512)]
    for m, k, n in shapes:
        command = {"run": "matmul", "m": m, "k": k, "n": n}
        yield Case("matmul", f"matmul {m}x{k}x{n}", command, 2 * m * k * n)


def scans():
    """The gradient of a loop over scalars; operations are its multiply-adds, those of the gradient being two for each."""
    command = {"run": "scan", "carries": 60, "length": 1000}
    yield Case("scan", "scan of 60 scalars over 1000 steps", command, 3 * 2 * 60 * 1000)


def beside_another():
    """Cases that are also measured while another process keeps a core busy."""
    cases = [*training(), *prediction()]
    return [case for case in cases if case.name in ("train mnist_cnn batch 32", "predict mnist_cnn batch 1")]


def all_cases():
    return [*training(), *prediction(), *scans(), *products(), *convolutions()]

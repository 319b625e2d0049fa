"""Keras's JSON as a module of PyTorch. Images are [batch, channels, height, width], channels-last in memory."""

import common
import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: x.softmax(1),
    "tanh": torch.tanh,
}


class Network(nn.Module):
    """The layers of a task, the results of the last one."""

    def __init__(self, task, layers):
        super().__init__()
        self.inputs = task.inputs
        self.calls = []
        for number, layer in enumerate(layers):
            if layer.kind != "InputLayer":
                config = layer.config | {"sparse": task.optimizer == "sgd"}
                function = KINDS[layer.kind](config, task.variables(layer))
                if isinstance(function, nn.Module):
                    self.add_module(f"layer{number}", function)
                self.calls.append((layer.name, function, layer.inputs))
        self.output = task.output

    def forward(self, *x):
        values = dict(zip(self.inputs, x))
        for name, function, inputs in self.calls:
            values[name] = function(*(values[name] for name in inputs))
        return values[self.output]


def parameter(array, order=None):
    tensor = torch.from_numpy(array)
    return nn.Parameter((tensor.permute(order) if order else tensor).contiguous())


class Conv(nn.Module):
    def __init__(self, config, variables):
        super().__init__()
        self.stride, self.padding = config["strides"], config["padding"]
        self.activation = ACTIVATIONS[config["activation"]]
        kernel = variables["kernel"]
        self.depthwise = "depth_multiplier" in config
        self.weight = parameter(kernel, (2, 3, 0, 1) if self.depthwise else (3, 2, 0, 1))
        if self.depthwise:
            self.weight = nn.Parameter(self.weight.flatten(0, 1).unsqueeze(1))
        self.bias = parameter(variables["bias"]) if "bias" in variables else None

    def forward(self, x):
        padding = [0, 0]
        if self.padding == "same":
            extents = zip(x.shape[2:], self.weight.shape[2:], self.stride)
            sides = [common.same_padding(*axis) for axis in extents]
            if all(before == after for before, after in sides):
                padding = [before for before, _ in sides]
            else:
                x = F.pad(x, (*sides[1], *sides[0]))
        groups = x.shape[1] if self.depthwise else 1
        return self.activation(F.conv2d(x, self.weight, self.bias, self.stride, padding, 1, groups))


class ConvTranspose(nn.Module):
    """With the padding `same`, which cuts what a convolution of the result would add."""

    def __init__(self, config, variables):
        super().__init__()
        self.stride, self.activation = config["strides"], ACTIVATIONS[config["activation"]]
        self.weight = parameter(variables["kernel"], (3, 2, 0, 1))
        self.bias = parameter(variables["bias"])

    def forward(self, x):
        extents = [extent * stride for extent, stride in zip(x.shape[2:], self.stride)]
        axes = zip(extents, self.weight.shape[2:], self.stride)
        first = [common.same_padding(*axis)[0] for axis in axes]
        y = F.conv_transpose2d(x, self.weight, self.bias, self.stride)
        y = y[:, :, first[0] : first[0] + extents[0], first[1] : first[1] + extents[1]]
        return self.activation(y)


class Dense(nn.Module):
    def __init__(self, config, variables):
        super().__init__()
        self.weight = parameter(variables["kernel"], (1, 0))
        self.bias = parameter(variables["bias"])
        self.activation = ACTIVATIONS[config["activation"]]

    def forward(self, x):
        return self.activation(F.linear(x, self.weight, self.bias))


def batch_normalization(config, variables):
    channels = variables["gamma"].size
    layer = nn.BatchNorm2d(channels, eps=config["epsilon"], momentum=1 - config["momentum"])
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    with torch.no_grad():
        for ours, theirs in names.items():
            getattr(layer, ours).copy_(torch.from_numpy(variables[theirs]))
    return layer


def embedding(config, variables):
    table = torch.from_numpy(variables["embeddings"])
    return nn.Embedding.from_pretrained(table, freeze=False, sparse=config["sparse"])


class LayerNormalization(nn.Module):
    def __init__(self, config, variables):
        super().__init__()
        self.gamma, self.beta = parameter(variables["gamma"]), parameter(variables["beta"])
        self.epsilon = config["epsilon"]

    def forward(self, x):
        return F.layer_norm(x, self.gamma.shape, self.gamma, self.beta, self.epsilon)


class Attention(nn.Module):
    """Attention of a sequence to itself, in one projection; with a cache and an index in it, of one vector to those before."""

    def __init__(self, config, variables):
        super().__init__()
        self.heads, self.dropout = config["num_heads"], config["dropout"]
        kernel = lambda name: torch.from_numpy(variables[f"{name}/kernel"]).flatten(1).T
        bias = lambda name: torch.from_numpy(variables[f"{name}/bias"]).flatten()
        ways = ["query", "key", "value"]
        self.weight = nn.Parameter(torch.cat([kernel(way) for way in ways]).contiguous())
        self.bias = nn.Parameter(torch.cat([bias(way) for way in ways]))
        last = torch.from_numpy(variables["attention_output/kernel"]).flatten(0, 1).T
        self.out = nn.Parameter(last.contiguous())
        self.out_bias = parameter(variables["attention_output/bias"])
        self.cache = None

    def forward(self, x, _, *cached):
        batch, steps, _ = x.shape
        parts = F.linear(x, self.weight, self.bias).view(batch, steps, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        mask = None
        if cached:
            # Keys and values stay in a buffer: [2, batch, heads, keys, features].
            cache, index = sorted(cached, key=lambda tensor: -tensor.dim())
            if self.cache is None:
                self.cache = cache.permute(1, 0, 3, 2, 4).contiguous()
            place = index[0].long()
            self.cache[0].index_copy_(2, place, k)
            self.cache[1].index_copy_(2, place, v)
            k, v = self.cache[0], self.cache[1]
            mask = torch.arange(k.shape[2]) <= place
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        return F.linear(y.transpose(1, 2).flatten(2), self.out, self.out_bias)


class Conv1D(nn.Module):
    def __init__(self, config, variables):
        super().__init__()
        self.weight = parameter(variables["kernel"], (2, 1, 0))
        self.bias = parameter(variables["bias"])
        self.stride, self.activation = config["strides"], ACTIVATIONS[config["activation"]]

    def forward(self, x):
        x = x.transpose(1, 2)
        stride = self.stride[0] if isinstance(self.stride, list) else self.stride
        sides = common.same_padding(x.shape[2], self.weight.shape[2], stride)
        y = F.conv1d(F.pad(x, sides), self.weight, self.bias, stride)
        return self.activation(y).transpose(1, 2)


class Sequence(nn.Module):
    """All outputs of a GRU in one direction."""

    def __init__(self, config, variables):
        super().__init__()
        given = lambda name: torch.from_numpy(variables[f"gru_cell/{name}"])
        gates = lambda x: torch.cat([x.chunk(3)[i] for i in (1, 0, 2)])
        self.layer = nn.GRU(given("kernel").shape[0], config["units"], batch_first=True)
        with torch.no_grad():
            self.layer.weight_ih_l0.copy_(gates(given("kernel").T))
            self.layer.weight_hh_l0.copy_(gates(given("recurrent_kernel").T))
            self.layer.bias_ih_l0.copy_(gates(given("bias")[0]))
            self.layer.bias_hh_l0.copy_(gates(given("bias")[1]))

    def forward(self, x):
        return self.layer(x)[0]


class Recurrent(nn.Module):
    """The last output of an LSTM, or of a GRU in both directions."""

    def __init__(self, config, variables):
        super().__init__()
        self.both = "merge_mode" in config
        inner = config["layer"]["config"] if self.both else config
        kind = "gru" if self.both else "lstm"
        ways = ["forward_gru/", "backward_gru/"] if self.both else [""]
        features = variables[f"{ways[0]}{kind}_cell/kernel"].shape[0]
        make = nn.GRU if self.both else nn.LSTM
        self.layer = make(features, inner["units"], batch_first=True, bidirectional=self.both)
        with torch.no_grad():
            for way, suffix in zip(ways, ["", "_reverse"]):
                given = lambda name: torch.from_numpy(variables[f"{way}{kind}_cell/{name}"])
                # PyTorch has the gates of a GRU in another order.
                gates = lambda x: torch.cat([x.chunk(3)[i] for i in (1, 0, 2)]) if self.both else x
                getattr(self.layer, f"weight_ih_l0{suffix}").copy_(gates(given("kernel").T))
                getattr(self.layer, f"weight_hh_l0{suffix}").copy_(gates(given("recurrent_kernel").T))
                bias = given("bias")
                own = getattr(self.layer, f"bias_hh_l0{suffix}")
                getattr(self.layer, f"bias_ih_l0{suffix}").copy_(gates(bias[0] if self.both else bias))
                if self.both:
                    own.copy_(gates(bias[1]))
                else:
                    own.zero_()
                    own.requires_grad_(False)

    def forward(self, x):
        _, last = self.layer(x)
        return torch.cat([last[0], last[1]], 1) if self.both else last[0][0]


def pooling(function, **arguments):
    def layer(config, _):
        window, stride = config["pool_size"], config["strides"] or config["pool_size"]

        def call(x):
            if config["padding"] == "same":
                sides = [common.same_padding(*axis) for axis in zip(x.shape[2:], window, stride)]
                if any(map(any, sides)):
                    x = F.pad(x, (*sides[1], *sides[0]), value=float("-inf"))
            return function(x, window, stride, **arguments)

        return call

    return layer


def flatten(x):
    """Flattens in Keras's order, which costs nothing where the images lie channels-last."""
    return (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).flatten(1)


def relu(config, _):
    return F.relu6 if config["max_value"] == 6 else F.relu


def zero_padding(config, _):
    rows, columns = config["padding"]
    return lambda x: F.pad(x, (*columns, *rows))


KINDS = {
    "Conv2D": Conv,
    "DepthwiseConv2D": Conv,
    "Conv2DTranspose": ConvTranspose,
    "Dense": Dense,
    "BatchNormalization": batch_normalization,
    "Embedding": embedding,
    "LayerNormalization": LayerNormalization,
    "MultiHeadAttention": Attention,
    "Conv1D": Conv1D,
    "GRU": Sequence,
    "LSTM": Recurrent,
    "Bidirectional": Recurrent,
    "MaxPooling2D": pooling(F.max_pool2d),
    "AveragePooling2D": pooling(F.avg_pool2d),
    "GlobalAveragePooling1D": lambda *_: lambda x: x.mean(1),
    "GlobalAveragePooling2D": lambda *_: lambda x: x.mean((2, 3)),
    "Activation": lambda config, _: ACTIVATIONS[config["activation"]],
    "ReLU": relu,
    "ZeroPadding2D": zero_padding,
    "Dropout": lambda config, _: nn.Dropout(config["rate"]),
    "Identity": lambda *_: lambda x: x,
    "Flatten": lambda *_: flatten,
    "Dot": lambda *_: lambda x, y: (x * y).sum(1, keepdim=True),
    "Add": lambda *_: lambda x, y: x + y,
    "Concatenate": lambda *_: lambda *x: torch.cat(x, 1 if x[0].dim() == 4 else -1),
}


def network(task, layers):
    return Network(task, layers).to(memory_format=torch.channels_last)


def tensor(array):
    tensor = torch.from_numpy(array)
    if tensor.dim() == 4:
        return tensor.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return tensor


def ctc(z, y):
    """Keras's: the mean over the batch, of labels with zeros behind them."""
    z = z.log_softmax(-1).transpose(0, 1)
    frames = torch.full((y.shape[0],), z.shape[0])
    symbols = (y != 0).sum(1)
    return F.ctc_loss(z, y.long(), frames, symbols, reduction="none").mean()


LOSSES = {
    "ctc": ctc,
    "sparse_categorical_crossentropy": lambda z, y: F.cross_entropy(z, y.long()),
    "binary_crossentropy": F.binary_cross_entropy_with_logits,
    "mean_squared_error": F.mse_loss,
}

"""JAX, the whole step in one `jit`: NHWC, an Adam written out, weights and slots given away to the step."""

import math
import time

import common
import jax
import jax.numpy as jnp
from jax import lax

# XLA takes as many threads as the process may use cores.
common.arguments().parse_args()
BETA_1, BETA_2, RATE = 0.9, 0.999, 1e-3
NUMBERS = ("NHWC", "HWIO", "NHWC")
ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "softmax": jax.nn.softmax,
    "tanh": jnp.tanh,
}


class Pass:
    """One run of the layers: their weights, the random key of a training step, the statistics that they renew."""

    def __init__(self, weights, key):
        self.weights, self.key, self.renewed = weights, key, {}

    def run(self, task, layers, inputs):
        values = dict(zip(task.inputs, inputs))
        for layer in layers:
            if layer.kind != "InputLayer":
                function = getattr(self, layer.kind.lower())
                values[layer.name] = function(layer, *(values[name] for name in layer.inputs))
        return values[task.output]

    def weight(self, layer, name):
        return self.weights.get(f"{layer.name}/{name}")

    def activated(self, layer, x):
        bias = self.weight(layer, "bias")
        return ACTIVATIONS[layer.config["activation"]](x if bias is None else x + bias)

    def conv2d(self, layer, x, groups=1):
        config, kernel = layer.config, self.weight(layer, "kernel")
        if groups > 1:
            kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
        y = lax.conv_general_dilated(
            x,
            kernel,
            config["strides"],
            config["padding"].upper(),
            dimension_numbers=NUMBERS,
            feature_group_count=groups,
        )
        return self.activated(layer, y)

    def lstm(self, layer, x):
        given = lambda name: self.weight(layer, f"lstm_cell/{name}")
        recurrent = given("recurrent_kernel")
        inputs = (x @ given("kernel") + given("bias")).swapaxes(0, 1)

        def step(state, x):
            h, c = state
            i, f, g, o = jnp.split(x + h @ recurrent, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), None

        zeros = jnp.zeros((x.shape[0], recurrent.shape[0]), x.dtype)
        return lax.scan(step, (zeros, zeros), inputs)[0][0]

    def bidirectional(self, layer, x):
        def direction(way, reverse):
            given = lambda name: self.weight(layer, f"{way}_gru/gru_cell/{name}")
            recurrent, bias = given("recurrent_kernel"), given("bias")
            inputs = (x @ given("kernel") + bias[0]).swapaxes(0, 1)

            def step(h, x):
                z, r, n = jnp.split(x, 3, -1)
                hz, hr, hn = jnp.split(h @ recurrent + bias[1], 3, -1)
                z, r = jax.nn.sigmoid(z + hz), jax.nn.sigmoid(r + hr)
                return z * h + (1 - z) * jnp.tanh(n + r * hn), None

            zeros = jnp.zeros((x.shape[0], recurrent.shape[0]), x.dtype)
            return lax.scan(step, zeros, inputs, reverse=reverse)[0]

        return jnp.concatenate([direction("forward", False), direction("backward", True)], -1)

    def depthwiseconv2d(self, layer, x):
        return self.conv2d(layer, x, groups=x.shape[-1])

    def conv2dtranspose(self, layer, x):
        kernel = self.weight(layer, "kernel")
        strides, padding = layer.config["strides"], layer.config["padding"].upper()
        y = lax.conv_transpose(
            x, kernel, strides, padding, dimension_numbers=NUMBERS, transpose_kernel=True
        )
        return self.activated(layer, y)

    def dense(self, layer, x):
        return self.activated(layer, x @ self.weight(layer, "kernel"))

    def layernormalization(self, layer, x):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        factor = lax.rsqrt(variance + layer.config["epsilon"]) * self.weight(layer, "gamma")
        return (x - mean) * factor + self.weight(layer, "beta")

    def multiheadattention(self, layer, x, _, *cached):
        def projected(name):
            product = jnp.einsum("bsf,fhk->bhsk", x, self.weight(layer, f"{name}/kernel"))
            return product + self.weight(layer, f"{name}/bias")[:, None, :]

        q, k, v = map(projected, ("query", "key", "value"))
        mask = None
        if cached:
            cache, index = sorted(cached, key=lambda tensor: -tensor.ndim)
            place = index[0, 0]
            put = lambda old, new: lax.dynamic_update_slice_in_dim(old, new, place, 2)
            old = cache.transpose(1, 0, 3, 2, 4)
            k, v = put(old[0], k), put(old[1], v)
            mask = jnp.arange(k.shape[2]) <= place
        scores = jnp.einsum("bhqk,bhsk->bhqs", q, k) / math.sqrt(q.shape[-1])
        scores = scores if mask is None else jnp.where(mask, scores, -1e9)
        shares = jax.nn.softmax(scores)
        rate = layer.config["dropout"]
        if self.key is not None and rate > 0:
            self.key, own = jax.random.split(self.key)
            kept = jax.random.bernoulli(own, 1 - rate, shares.shape)
            shares = jnp.where(kept, shares / (1 - rate), 0.0)
        y = jnp.einsum("bhqs,bhsk->bqhk", shares, v)
        last = self.weight(layer, "attention_output/kernel")
        return jnp.einsum("bqhk,hkf->bqf", y, last) + self.weight(layer, "attention_output/bias")

    def globalaveragepooling1d(self, _, x):
        return x.mean(1)

    def dot(self, _, x, y):
        return (x * y).sum(1, keepdims=True)

    def embedding(self, layer, x):
        return self.weight(layer, "embeddings")[x]

    def batchnormalization(self, layer, x):
        mean, variance = self.weight(layer, "moving_mean"), self.weight(layer, "moving_variance")
        if self.key is not None:
            momentum, old = layer.config["momentum"], (mean, variance)
            axes = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axes), x.var(axes)
            for name, was, now in zip(("moving_mean", "moving_variance"), old, (mean, variance)):
                self.renewed[f"{layer.name}/{name}"] = momentum * was + (1 - momentum) * now
        factor = self.weight(layer, "gamma") * lax.rsqrt(variance + layer.config["epsilon"])
        return (x - mean) * factor + self.weight(layer, "beta")

    def pooled(self, layer, x, start, function):
        config = layer.config
        window, stride = config["pool_size"], config["strides"] or config["pool_size"]
        window, stride = (1, *window, 1), (1, *stride, 1)
        return lax.reduce_window(x, start, function, window, stride, config["padding"].upper())

    def maxpooling2d(self, layer, x):
        return self.pooled(layer, x, -jnp.inf, lax.max)

    def averagepooling2d(self, layer, x):
        rows, columns = layer.config["pool_size"]
        return self.pooled(layer, x, 0.0, lax.add) / (rows * columns)

    def globalaveragepooling2d(self, _, x):
        return x.mean((1, 2))

    def activation(self, layer, x):
        return ACTIVATIONS[layer.config["activation"]](x)

    def relu(self, layer, x):
        return jnp.clip(x, 0.0, layer.config["max_value"])

    def zeropadding2d(self, layer, x):
        return jnp.pad(x, ((0, 0), *map(tuple, layer.config["padding"]), (0, 0)))

    def flatten(self, _, x):
        return x.reshape(x.shape[0], -1)

    def add(self, _, x, y):
        return x + y

    def concatenate(self, _, *x):
        return jnp.concatenate(x, -1)

    def identity(self, _, x):
        return x

    def dropout(self, layer, x):
        if self.key is None:
            return x
        self.key, own = jax.random.split(self.key)
        rate = layer.config["rate"]
        return jnp.where(jax.random.bernoulli(own, 1 - rate, x.shape), x / (1 - rate), 0.0)


LOSSES = {
    "sparse_categorical_crossentropy": lambda z, y: -jnp.take_along_axis(
        jax.nn.log_softmax(z), y[:, None], 1
    ).mean(),
    "binary_crossentropy": lambda z, y: (jax.nn.softplus(z) - y * z).mean(),
    "mean_squared_error": lambda z, y: ((z - y) ** 2).mean(),
}


class Train(common.Case):
    def __init__(self, command):
        task = common.Task(command)
        layers = task.with_logits()
        epsilon = common.epsilon(command)
        weights = {name: jnp.asarray(weight) for name, weight in task.weights.items()}
        statistics = {name: w for name, w in weights.items() if "/moving_" in name}
        weights = {name: w for name, w in weights.items() if name not in statistics}
        zeros = jax.tree.map(jnp.zeros_like, weights)
        x, y = [jnp.asarray(array) for array in task.x], jnp.asarray(task.y)

        def step(state, x, y):
            weights, statistics, m, v, count, key = state
            key, own = jax.random.split(key)

            def loss(weights):
                run = Pass(weights | statistics, own)
                value = LOSSES[task.loss](run.run(task, layers, x), y)
                return value, run.renewed

            (value, statistics), gradients = jax.value_and_grad(loss, has_aux=True)(weights)
            count = count + 1
            if task.optimizer == "sgd":
                weights = jax.tree.map(lambda w, g: w - 1e-2 * g, weights, gradients)
                return (weights, statistics, m, v, count, key), value
            rate = RATE * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
            m = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), m, gradients)
            v = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g * g - v), v, gradients)
            update = lambda w, m, v: w - rate * m / (jnp.sqrt(v) + epsilon)
            return (jax.tree.map(update, weights, m, v), statistics, m, v, count, key), value

        slots = (zeros, jax.tree.map(jnp.copy, zeros)) if task.optimizer == "adam" else ({}, {})
        self.state = (weights, statistics, *slots, jnp.float32(0), jax.random.key(1))
        self.batch = x, y
        start = time.perf_counter()
        self.run = jax.jit(step, donate_argnums=0).lower(self.state, x, y).compile()
        self.compile_seconds = time.perf_counter() - start

    def step(self):
        self.state, loss = self.run(self.state, *self.batch)
        return loss

    def wait(self, result):
        jax.block_until_ready((self.state, result))


class Predict(common.Case):
    def __init__(self, command):
        task = common.Task(command)
        self.weights = {name: jnp.asarray(weight) for name, weight in task.weights.items()}
        self.x = [jnp.asarray(array) for array in task.x]
        predict = lambda weights, x: Pass(weights, None).run(task, task.layers, x)
        start = time.perf_counter()
        self.run = jax.jit(predict).lower(self.weights, self.x).compile()
        self.compile_seconds = time.perf_counter() - start

    def step(self):
        return self.run(self.weights, self.x)

    def wait(self, result):
        jax.block_until_ready(result)


class Scan(common.Case):
    """The gradient of a loop over scalars."""

    def __init__(self, command):
        carries, length = command["carries"], command["length"]
        a, b = (jnp.asarray(common.noise((n,), seed)) for seed, n in [(1, carries), (2, length)])

        def step(state, x):
            others = (*state[1:], state[0])
            return tuple(jnp.tanh(own + x * other) for own, other in zip(state, others)), None

        def total(a, b):
            last, _ = lax.scan(step, tuple(a[i] for i in range(carries)), b)
            return sum(last)

        start = time.perf_counter()
        run = jax.jit(jax.grad(total)).lower(a, b).compile()
        self.compile_seconds = time.perf_counter() - start
        self.run = lambda: run(a, b)

    def step(self):
        return self.run()

    def wait(self, result):
        jax.block_until_ready(result)


def versions():
    return {"jax": jax.__version__}


kinds = {"train": Train, "predict": Predict, "scan": Scan}
common.serve(versions, lambda command: kinds[command["run"]](command))

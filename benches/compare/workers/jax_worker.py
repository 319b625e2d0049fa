"""JAX, the whole step in one `jit`: NHWC, an Adam written out, weights and slots given away to the step."""

import time

import common
import jax
import jax.numpy as jnp
from jax import lax

# XLA takes as many threads as the process may use cores.
common.arguments().parse_args()
BETA_1, BETA_2, RATE = 0.9, 0.999, 1e-3


def logits(layers, weights, x, key):
    for name, kind, arguments in layers:
        if kind == "conv2d":
            kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
            numbers = ("NHWC", "HWIO", "NHWC")
            y = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=numbers)
            x = jax.nn.relu(y + bias)
        elif kind == "max_pooling2d":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        elif kind == "flatten":
            x = x.reshape(x.shape[0], -1)
        elif kind == "dense":
            x = x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
            x = jax.nn.relu(x) if arguments[1] == "relu" else x
        elif kind == "dropout" and key is not None:
            key, own = jax.random.split(key)
            kept = jax.random.bernoulli(own, 1 - arguments[0], x.shape)
            x = jnp.where(kept, x / (1 - arguments[0]), 0.0)
    return x


class Train(common.Case):
    def __init__(self, command):
        layers = common.named_layers(command["model"], command.get("dropout", True))
        weights = {name: jnp.asarray(w) for name, w in common.read_weights(command["folder"]).items()}
        zeros = jax.tree.map(jnp.zeros_like, weights)
        x, y = map(jnp.asarray, common.read_batch(command))
        epsilon = common.epsilon(command)

        def step(state, x, y):
            weights, m, v, count, key = state
            key, own = jax.random.split(key)

            def loss(weights):
                scores = jax.nn.log_softmax(logits(layers, weights, x, own))
                return -jnp.take_along_axis(scores, y[:, None], 1).mean()

            value, gradients = jax.value_and_grad(loss)(weights)
            count = count + 1
            rate = RATE * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
            m = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), m, gradients)
            v = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g * g - v), v, gradients)
            update = lambda w, m, v: w - rate * m / (jnp.sqrt(v) + epsilon)
            return (jax.tree.map(update, weights, m, v), m, v, count, key), value

        self.state = (weights, zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(0), jax.random.key(1))
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
        layers = common.named_layers(command["model"], False)
        self.weights = jax.tree.map(jnp.asarray, common.read_weights(command["folder"]))
        self.x = jnp.asarray(common.read_batch(command)[0])
        predict = lambda weights, x: jax.nn.softmax(logits(layers, weights, x, None))
        start = time.perf_counter()
        self.run = jax.jit(predict).lower(self.weights, self.x).compile()
        self.compile_seconds = time.perf_counter() - start

    def step(self):
        return self.run(self.weights, self.x)

    def wait(self, result):
        jax.block_until_ready(result)


def versions():
    return {"jax": jax.__version__}


kinds = {"train": Train, "predict": Predict}
common.serve(versions, lambda command: kinds[command["run"]](command))

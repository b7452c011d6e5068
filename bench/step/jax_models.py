"""The models of task.json in plain JAX, as models.cc has them in C++ and rivals.py in PyTorch.

Each is a function (parameters, task, x) -> [row, class]; x is [row, place, place, channel] or [row, token].
"""
import math

import numpy
from jax import lax, nn
from jax import numpy as jnp


class Parameters(dict):
    """Arrays by name. With a generator, one that is asked for first is made."""

    def __init__(self, values=(), random=None):
        super().__init__(values)
        self.random = random

    def __call__(self, name, *shape):
        if name not in self:
            scale = 1 / math.sqrt(math.prod(shape[:-1]) or 1) if len(shape) > 1 else 0.1
            self[name] = self.random.standard_normal(shape, numpy.float32) * numpy.float32(scale)
        return self[name]


def linear(p, name, x, width, bias=True):
    y = x @ p(name + ".weight", x.shape[-1], width)
    return y + p(name + ".bias", width) if bias else y


def convolution(p, name, x, channels, side, stride=1, padding=0, bias=True):
    y = lax.conv_general_dilated(x, p(name + ".weight", side, side, x.shape[-1], channels), (stride, stride),
                                 [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + p(name + ".bias", channels) if bias else y


def pool(x, side, stride):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, side, side, 1), (1, stride, stride, 1), "VALID")


def normed(x, axes):
    return (x - x.mean(axes, keepdims=True)) * lax.rsqrt(x.var(axes, keepdims=True) + 1e-5)


def scaled(p, name, x):
    return x * p(name + ".scale", x.shape[-1]) + p(name + ".shift", x.shape[-1])


def layer_norm(p, name, x):
    return scaled(p, name, normed(x, -1))


def group_norm(p, name, x, groups):
    apart = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    return scaled(p, name, normed(apart, (1, 3)).reshape(x.shape))


def mlp(p, task, x):
    for i, width in enumerate(task["widths"]):
        x = nn.relu(linear(p, f"layer{i}", x, width))
    return linear(p, "head", x, task["classes"])


def mnist_cnn(p, task, x):
    x = pool(nn.relu(convolution(p, "first", x, 16, 8, 2, 3)), 2, 1)
    x = pool(nn.relu(convolution(p, "second", x, 32, 4, 2)), 2, 1)
    return linear(p, "head", nn.relu(linear(p, "wide", x.reshape(x.shape[0], -1), 32)), task["classes"])


def cnn(p, task, x):
    for i, channels in enumerate(task["channels"]):
        x = convolution(p, f"convolution{i}", x, channels, 3, padding=1)
        x = nn.relu(group_norm(p, f"norm{i}", x, task["groups"]))
        x = pool(x, 2, 2) if i % 2 == 1 else x
    return linear(p, "head", x.reshape(x.shape[0], -1), task["classes"])


def lstm(p, task, x):
    hidden = task["hidden"]
    x = jnp.take(p("embedding", task["vocabulary"], task["width"]), x, axis=0)
    x = linear(p, "input", x, 4 * hidden)  # of all times at once; two biases, as PyTorch has
    weight, bias = p("hidden.weight", hidden, 4 * hidden), p("hidden.bias", 4 * hidden)

    def step(state, gates):
        h, c = state
        i, f, g, o = jnp.split(gates + h @ weight + bias, 4, axis=-1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        return (nn.sigmoid(o) * jnp.tanh(c), c), None

    start = jnp.zeros((x.shape[0], hidden), x.dtype)
    return linear(p, "head", lax.scan(step, (start, start), x.swapaxes(0, 1))[0][0], task["classes"])


def adapted(p, name, x, rank):
    y = linear(p, name, x, x.shape[-1])
    if not rank:
        return y
    return y + linear(p, name + ".up", linear(p, name + ".down", x, rank, False), x.shape[-1], False)


def transformer(p, task, x):
    width = task["width"]
    x = jnp.take(p("words", task["vocabulary"], width), x, axis=0) + p("positions", task["tokens"], width)
    for i in range(task["layers"]):
        name = f"block{i}."
        y = layer_norm(p, name + "before", x)
        of_heads = (*x.shape[:2], task["heads"], -1)
        y = nn.dot_product_attention(adapted(p, name + "query", y, task["rank"]).reshape(of_heads),
                                     linear(p, name + "key", y, width).reshape(of_heads),
                                     adapted(p, name + "value", y, task["rank"]).reshape(of_heads))
        x = x + linear(p, name + "joined", y.reshape(x.shape), width)
        y = linear(p, name + "wide", layer_norm(p, name + "between", x), 4 * width)
        x = x + linear(p, name + "narrow", nn.gelu(y, approximate=False), width)
    return linear(p, "head", layer_norm(p, "last", x).mean(1), task["classes"])


def resnet(p, task, x):
    groups = task["groups"]

    def layer(name, x, channels, side, stride=1):
        return group_norm(p, name + ".norm", convolution(p, name, x, channels, side, stride, side // 2, False), groups)

    x = nn.relu(layer("stem", x, task["channels"][0], 3))
    for stage, channels in enumerate(task["channels"]):
        for i in range(task["blocks"]):
            name, stride = f"stage{stage}.{i}.", 2 if stage > 0 and i == 0 else 1
            past = layer(name + "shortcut", x, channels, 1, stride) if stride != 1 or x.shape[-1] != channels else x
            y = layer(name + "second", nn.relu(layer(name + "first", x, channels, 3, stride)), channels, 3)
            x = nn.relu(y + past)
    return linear(p, "head", x.mean((1, 2)), task["classes"])


MODELS = {"mlp": mlp, "mnist_cnn": mnist_cnn, "cnn": cnn, "lstm": lstm, "transformer": transformer, "resnet": resnet}

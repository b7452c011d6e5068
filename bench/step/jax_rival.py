"""Training steps of JAX, plain or private by JAX Privacy, in turns: one case, as rivals.py.

usage: bench/step/jax_rival.py TASK.json MODEL jax-plain|jax-privacy turns [THREADS]

The models of task.json in plain JAX, compiled as one function a step: gather, gradient, noise, SGD. Images are
[row, column, channel], which JAX prefers. Private: JAX Privacy's clipped_grad, gaussian_privatizer, Poisson sampling.
Compiled shapes are fixed, so a draw's indices are padded to the expected size and three standard deviations (a larger
draw, one in 700, is truncated: the library's truncated_batch_size, which it accounts for); it gives padding no weight
and skips microbatches of nothing else. Its private steps are compared with JAX's plain ones.
Compilation is not a step: neither its time nor its memory counts (JAX_COMPILATION_CACHE_DIR keeps it for the next
process).
"""
import json
import math
import os
import sys

if len(sys.argv) > 5:  # JAX has as many threads as the processors that it sees when it starts
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[5])])

import jax  # noqa: E402
import numpy  # noqa: E402
import optax  # noqa: E402
from jax import numpy as jnp  # noqa: E402
from jax_privacy import batch_selection, clipping, noise_addition  # noqa: E402

from jax_models import MODELS, Parameters  # noqa: E402
from meter import forget_peak, in_turns, memory  # noqa: E402

# The microbatch with which the library was fastest of 1, 8, 32 and the whole batch. In a loop over microbatches XLA's
# convolutions on processors are ten times as slow; all else is bound by the memory of the samples' gradients.
MICROBATCH = {"mnist_cnn": None, "cnn": None, "resnet": None}


def data_of(task, rows, random):
    """Numbers or tokens, and classes."""
    if "vocabulary" in task:
        x = random.integers(task["vocabulary"], size=(rows, task["tokens"]), dtype=numpy.int32)
    else:
        shape = task["input"][1:] + task["input"][:1] if len(task["input"]) == 3 else task["input"]
        x = random.standard_normal((rows, *shape), numpy.float32)
    return jnp.asarray(x), jnp.asarray(random.integers(task["classes"], size=rows, dtype=numpy.int32))


def is_trained(task, name):
    return not task.get("rank") or ".up." in name or ".down." in name or name.startswith("head")


def plain_step(loss, optimizer):
    def step(trained, state, frozen, xs, ys, drawn):
        gradient = jax.grad(loss)(trained, frozen, xs[drawn], ys[drawn])
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(trained, updates), state

    return step, optimizer.init


def private_step(loss, optimizer, tasks, task):
    clipped = clipping.clipped_grad(loss, l2_clip_norm=tasks["max_grad_norm"], normalize_by=task["batch"],
                                    batch_argnums=(2, 3), microbatch_size=MICROBATCH.get(task["kind"], 1))
    noise = noise_addition.gaussian_privatizer(stddev=tasks["noise_multiplier"] * clipped.l2_norm_bound, prng_key=1)

    def step(trained, state, frozen, xs, ys, drawn):  # padding is -1: its row is anyone's, its weight 0
        gradient = clipped(trained, frozen, xs[drawn], ys[drawn], is_padding_example=drawn < 0)
        noised, noise_state = noise.update(gradient, state[0])
        updates, optimizer_state = optimizer.update(noised, state[1])
        return optax.apply_updates(trained, updates), (noise_state, optimizer_state)

    return step, lambda trained: (noise.init(trained), optimizer.init(trained))


def draws(who, task, rows, random):
    """Indices of the rows of each step; where private, all of one length."""
    batch = task["batch"]
    while who == "jax-plain":
        yield random.integers(rows, size=batch, dtype=numpy.int32)
    size = min(rows, math.ceil(batch + 3 * math.sqrt(batch * (1 - batch / rows))))
    sampling = batch_selection.CyclicPoissonSampling(sampling_prob=batch / rows, iterations=10**6,
                                                     truncated_batch_size=size)
    for drawn in sampling.batch_iterator(rows, random):
        padded = batch_selection.split_and_pad_global_batch(drawn, size, MICROBATCH.get(task["kind"], 1))[0]
        yield padded.astype(numpy.int32)


def main():
    path, name, who = sys.argv[1:4]
    with open(path) as file:
        tasks = json.load(file)
    task = next(task for task in tasks["models"] if task["name"] == name)
    rows = task["batch"] * tasks["batches_of_data"]
    random = numpy.random.default_rng(1)
    xs, ys = data_of(task, rows, random)
    before = memory("VmRSS")
    parameters = Parameters(random=random)
    model = MODELS[task["kind"]]
    jax.eval_shape(lambda x: model(parameters, task, x), xs[:1])
    trained = {name: jnp.asarray(value) for name, value in parameters.items() if is_trained(task, name)}
    frozen = {name: jnp.asarray(value) for name, value in parameters.items() if name not in trained}
    del parameters

    def loss(trained, frozen, x, y):
        out = model(Parameters({**trained, **frozen}), task, x)
        return optax.softmax_cross_entropy_with_integer_labels(out, y).mean()

    optimizer = optax.sgd(tasks["learning_rate"])
    step, init = plain_step(loss, optimizer) if who == "jax-plain" else private_step(loss, optimizer, tasks, task)
    compiled = jax.jit(step, donate_argnums=(0, 1))
    numbers = sum(value.size for value in trained.values())
    now, drawn = [trained, init(trained)], draws(who, task, rows, random)
    del trained

    def whole():
        now[:] = compiled(*now, frozen, xs, ys, next(drawn))
        jax.block_until_ready(now)

    in_turns(whole, numbers, before, forget_peak)


if __name__ == "__main__":
    main()

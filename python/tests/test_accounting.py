"""The accountants from Python: closed forms, the program's own numbers, arrays, and what is refused."""
import json
import math
import os
import subprocess
import sys
import threading
import time

import numpy
import pytest

import discreet
from discreet import accounting

STEP = dict(sample_rate=0.01, noise_multiplier=1.1, steps=1000)


def gaussian_delta(mu, epsilon):
    """Balle and Wang 2018, Theorem 8."""
    def phi(x):
        return 0.5 * math.erfc(-x / math.sqrt(2))
    return phi(mu / 2 - epsilon / mu) - math.exp(epsilon) * phi(-mu / 2 - epsilon / mu)


def test_a_gaussian_has_its_closed_form():
    event = accounting.Event.repeated(accounting.Event.gaussian(2.0), 9)  # mu = 3 / 2
    curve = accounting.Curve(event)
    for epsilon in (0.0, 0.5, 2.0, 5.0):
        lower, upper = curve.delta(epsilon)
        assert lower <= gaussian_delta(1.5, epsilon) <= upper and upper - lower < 1e-9


@pytest.mark.skipif("DISCREET_BINARY" not in os.environ, reason="DISCREET_BINARY names the program")
@pytest.mark.parametrize("accountant", ["pld", "rdp"])
@pytest.mark.parametrize("relation", ["add-or-remove-one", "replace-one", "zero-out"])
def test_the_same_as_the_program(accountant, relation):
    told = subprocess.run([os.environ["DISCREET_BINARY"], "account", "--json", "--sample-rate", "0.01",
                           "--noise-multiplier", "1.1", "--steps", "1000", "--delta", "1e-5", "--relation", relation,
                           "--accountant", accountant], capture_output=True, text=True, check=True).stdout
    assert accounting.epsilon(**STEP, delta=1e-5, relation=relation, accountant=accountant) == json.loads(told)["epsilon"]


def test_arrays_in_and_out():
    deltas = numpy.array([[1e-4, 1e-5], [1e-6, 1e-7]])
    table = accounting.epsilon(**STEP, delta=deltas)
    assert table.shape == (2, 2) and table.dtype == numpy.float64
    assert table[1, 0] == accounting.epsilon(**STEP, delta=1e-6)
    grid = accounting.epsilon(sample_rate=0.01, noise_multiplier=numpy.array([[1.0], [2.0]]), steps=[10, 100, 1000], delta=1e-5)
    assert grid.shape == (2, 3) and (numpy.diff(grid, axis=1) > 0).all() and (grid[1] < grid[0]).all()
    assert isinstance(accounting.epsilon(**STEP, delta=1e-5), float)
    assert isinstance(accounting.epsilon(**STEP, delta=numpy.float64(1e-5)), float)
    curve = accounting.Curve(accounting.Event.steps(0.01, 1.1, 1000))
    bounds = curve.epsilon(deltas)
    assert bounds.upper.shape == (2, 2) and (bounds.lower <= bounds.upper).all()
    rates = curve.true_positive_rate([0.0, 0.01, 0.5])
    assert rates.shape == (3,) and (numpy.diff(rates) > 0).all()
    assert accounting.epsilon(**STEP, delta=[]).shape == (0,)


def test_a_target_is_kept_and_nearly_reached():
    for accountant in ("pld", "rdp"):
        noise = accounting.noise_multiplier(epsilon=3, delta=1e-5, sample_rate=0.01, steps=1000, accountant=accountant)
        reached = accounting.epsilon(sample_rate=0.01, noise_multiplier=noise, steps=1000, delta=1e-5, accountant=accountant)
        assert 0.998 * 3 < reached <= 3
    count = accounting.steps(epsilon=3, delta=1e-5, sample_rate=0.01, noise_multiplier=1.1)
    at = dict(sample_rate=0.01, noise_multiplier=1.1, delta=1e-5)
    assert accounting.epsilon(steps=count, **at) <= 3 < accounting.epsilon(steps=count * 1.01 // 1, **at)
    rate = accounting.sample_rate(epsilon=3, delta=1e-5, noise_multiplier=1.1, steps=1000)
    assert 0.998 * 3 < accounting.epsilon(sample_rate=rate, noise_multiplier=1.1, steps=1000, delta=1e-5) <= 3


def test_delta_is_the_upper_bound():
    steps = dict(sample_rate=0.3, noise_multiplier=0.7, steps=2)
    for epsilon in (0.5, 2.0):
        lower, upper = accounting.Curve(accounting.Event.steps(0.3, 0.7, 2)).delta(epsilon)
        assert lower < upper == accounting.delta(**steps, epsilon=epsilon)


def test_plan():
    plan = accounting.plan(epsilon=3, delta=1e-5, sample_size=60000, batch_size=256, epochs=20)
    assert plan.steps == math.ceil(20 * 60000 / 256) and plan.sample_rate == 256 / 60000
    assert plan.epsilon_reached is not None and plan.epsilon_reached <= 3
    assert accounting.plan(epsilon=3, delta=1e-5).noise_multiplier is None


def test_events_are_data():
    event = accounting.Event.composed([accounting.Event.steps(0.01, 1.1, 10), accounting.Event.laplace(2.0)])
    document = accounting.event_json(event)
    assert [part["kind"] for part in document["events"]] == ["repeated", "laplace"]
    assert accounting.Event.from_json(json.dumps(document)) == event
    assert accounting.epsilon_of(event, delta=1e-5) <= accounting.epsilon_of(event, delta=1e-5, accountant="rdp")


@pytest.mark.parametrize("arguments, words", [
    (dict(sample_rate=1.5), "sample_rate"),
    (dict(noise_multiplier=0), "noise_multiplier"),
    (dict(steps=1.5), "whole number"),
    (dict(delta=0), "delta"),
    (dict(relation="neighbours"), "add-or-remove-one"),
    (dict(accountant="gdp"), "pld"),
])
def test_refused(arguments, words):
    with pytest.raises(discreet.Error) as error:
        accounting.epsilon(**{**STEP, "delta": 1e-5, **arguments})
    assert words in str(error.value) and error.value.kind == "invalid-argument"


def test_imported_without_torch_in_under_three_tenths_of_a_second():
    """The least of five, since the machine may be busy."""
    script = ("import sys, time; start = time.perf_counter(); import discreet.accounting; "
              "took = time.perf_counter() - start; assert 'torch' not in sys.modules; print(took)")
    times = [float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
             for _ in range(5)]
    assert min(times) < 0.3


def test_other_threads_run_meanwhile():
    """While one thread computes a curve, another counts: it could not while the lock is held."""
    ticks, done = 0, threading.Event()

    def compute():
        for steps in range(20_000, 20_020):
            accounting.epsilon(sample_rate=1e-4, noise_multiplier=0.4, steps=steps, delta=1e-9)
        done.set()

    switch = sys.getswitchinterval()
    sys.setswitchinterval(100)  # nobody is asked to give the lock away
    try:
        worker = threading.Thread(target=compute)
        worker.start()
        while not done.is_set():
            ticks += 1
            time.sleep(0)
        worker.join()
    finally:
        sys.setswitchinterval(switch)
    assert ticks > 20

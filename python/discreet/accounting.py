"""What a mechanism costs, and how much noise a budget needs. Needs no torch; NumPy arrays go in and come out.

    accounting.epsilon(sample_rate=0.01, noise_multiplier=1.1, steps=1000, delta=1e-5)
    accounting.noise_multiplier(epsilon=3, delta=1e-5, sample_rate=0.01, steps=[100, 1000, 10000])
    accounting.Curve(event).delta(numpy.linspace(0, 5, 50))

Every number is an upper bound, whichever the accountant: "pld" (privacy loss distributions, for a plan that is fixed
before it starts; also with a lower bound, Curve) or "rdp" (Renyi divergences). relation: which two data sets are
neighbours, "add-or-remove-one", "replace-one" or "zero-out". Errors are discreet.Error and name the argument.
Arguments of several shapes are broadcast; numbers give a number.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Union

from . import _accounting
from ._accounting import Event

if TYPE_CHECKING:
    import numpy
    from numpy.typing import ArrayLike, NDArray

    Number = Union[float, ArrayLike]
    Result = Union[float, NDArray[numpy.float64]]

__all__ = [
    "Bounds", "Curve", "Event", "Plan", "delta", "epsilon", "epsilon_of", "event_json", "noise_multiplier", "plan",
    "sample_rate", "steps",
]


class Bounds(NamedTuple):
    """From both sides; `upper` is what a guarantee may say."""

    lower: Any
    upper: Any


def _each(function: Callable[..., float], *arguments: Any) -> Any:
    """The function of numbers, or of each place of arrays that are broadcast."""
    if all(isinstance(argument, (int, float)) for argument in arguments):
        return function(*arguments)
    import numpy

    arrays = numpy.broadcast_arrays(*[numpy.asarray(argument) for argument in arguments])
    result = numpy.array([function(*[value.item() for value in values])
                          for values in zip(*[array.ravel() for array in arrays])], dtype=numpy.float64)
    return result.reshape(arrays[0].shape) if arrays[0].shape else float(result[0])


def _each_pair(function: Callable[[float], tuple[float, float]], argument: Any) -> Bounds:
    if isinstance(argument, (int, float)):
        return Bounds(*function(argument))
    import numpy

    values = numpy.asarray(argument)
    pairs = numpy.array([function(value.item()) for value in values.ravel()], dtype=numpy.float64).reshape(-1, 2)
    return Bounds(pairs[:, 0].reshape(values.shape), pairs[:, 1].reshape(values.shape))


def epsilon(*, sample_rate: Number, noise_multiplier: Number, steps: Number, delta: Number,
            relation: str = "add-or-remove-one", accountant: str = "pld") -> Result:
    """Epsilon of `steps` Poisson-sampled Gaussian steps.

    sample_rate 0 to 1; noise_multiplier, the noise's standard deviation over the clip, 1e-6 to 1e9; steps 0 to 2^53;
    delta above 0, below 1.
    """
    def one(rate: float, noise: float, count: float, at: float) -> float:
        return _accounting.epsilon(Event.steps(rate, noise, _whole("steps", count)), relation, at, accountant)

    result: Result = _each(one, sample_rate, noise_multiplier, steps, delta)
    return result


def delta(*, sample_rate: Number, noise_multiplier: Number, steps: Number, epsilon: Number,
          relation: str = "add-or-remove-one") -> Result:
    """Delta of such steps at an epsilon of at least 0, by their privacy loss distribution."""
    def one(rate: float, noise: float, count: float, at: float) -> float:
        return _accounting.Curve(Event.steps(rate, noise, _whole("steps", count)), relation).delta(at)[1]

    result: Result = _each(one, sample_rate, noise_multiplier, steps, epsilon)
    return result


def noise_multiplier(*, epsilon: Number, delta: Number, sample_rate: Number, steps: Number,
                     relation: str = "add-or-remove-one", accountant: str = "pld") -> Result:
    """The least noise with which the steps cost at most epsilon (0.001 to 1000) at delta."""
    def one(target: float, at: float, rate: float, count: float) -> float:
        return _accounting.noise_multiplier(target, at, rate, _whole("steps", count), relation, accountant)

    result: Result = _each(one, epsilon, delta, sample_rate, steps)
    return result


def steps(*, epsilon: Number, delta: Number, sample_rate: Number, noise_multiplier: Number,
          relation: str = "add-or-remove-one", accountant: str = "pld") -> Result:
    """The most steps that cost at most epsilon at delta; 0 where one costs more."""
    def one(target: float, at: float, rate: float, noise: float) -> float:
        return _accounting.steps(target, at, rate, noise, relation, accountant)

    result: Result = _each(one, epsilon, delta, sample_rate, noise_multiplier)
    return result


def sample_rate(*, epsilon: Number, delta: Number, noise_multiplier: Number, steps: Number,
                relation: str = "add-or-remove-one", accountant: str = "pld") -> Result:
    """The largest sample rate with which the steps cost at most epsilon at delta; 0 where one of 1e-9 costs more."""
    def one(target: float, at: float, noise: float, count: float) -> float:
        return _accounting.sample_rate(target, at, noise, _whole("steps", count), relation, accountant)

    result: Result = _each(one, epsilon, delta, noise_multiplier, steps)
    return result


def epsilon_of(event: Event, *, delta: Number, relation: str = "add-or-remove-one",
               accountant: str = "tightest") -> Result:
    """Epsilon of any event at delta; "tightest" is the least of the accountants that know the event."""
    def one(at: float) -> float:
        if accountant == "tightest":
            return _accounting.tightest_epsilon(event, relation, at)
        return _accounting.epsilon(event, relation, at, accountant)

    result: Result = _each(one, delta)
    return result


def event_json(event: Event) -> dict[str, Any]:
    """The event as a certificate holds it; Event.from_json takes its text back."""
    document: dict[str, Any] = json.loads(event.to_json())
    return document


class Curve:
    """All of one plan's privacy curve. Points share their work: one near earlier ones costs next to nothing."""

    def __init__(self, event: Event, relation: str = "add-or-remove-one") -> None:
        self._curve = _accounting.Curve(event, relation)
        self._lock = threading.Lock()

    def epsilon(self, delta: Number) -> Bounds:
        """Bounds on epsilon at delta, above 0, below 1."""
        with self._lock:
            return _each_pair(self._curve.epsilon, delta)

    def delta(self, epsilon: Number) -> Bounds:
        """Bounds on delta at an epsilon of at least 0."""
        with self._lock:
            return _each_pair(self._curve.delta, epsilon)

    def true_positive_rate(self, false_positive_rate: Number) -> Result:
        """At most this share of the true cases is found by an attacker who is wrong on the given share of others."""
        with self._lock:
            result: Result = _each(self._curve.true_positive_rate, false_positive_rate)
        return result


@dataclass(frozen=True)
class Plan:
    """How a budget is spent. None where a number waits for the number of units, the batch or the length."""

    epsilon: float
    delta: float
    relation: str
    accountant: str
    sample_size: float | None
    batch_size: int | None
    steps: int | None
    sample_rate: float | None
    noise_multiplier: float | None
    training_epsilon: float | None
    epsilon_reached: float | None
    shares: dict[str, dict[str, float]]


def plan(*, epsilon: float, delta: float, relation: str = "add-or-remove-one", sample_size: float | None = None,
         batch_size: int | None = None, epochs: float | None = None, steps: int | None = None,
         statistics_share: float = 0) -> Plan:
    """Noise and steps for a budget, as `discreet plan`. `epochs` or `steps`, not both."""
    text = _accounting.plan(epsilon, delta, relation, sample_size, batch_size, epochs, steps, statistics_share)
    return Plan(**json.loads(text))


def _whole(name: str, value: float) -> int:
    if value != int(value):
        from .errors import Error

        raise Error(f"{name} must be a whole number")
    return int(value)

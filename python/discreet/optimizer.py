"""A look before each step of an unmodified optimizer."""

from __future__ import annotations

import functools
import types
from typing import Any, Callable

import torch

from .errors import unsupported


def before_each_step(optimizer: torch.optim.Optimizer, check: Callable[[], None]) -> Callable[[], None]:
    """check() runs before the optimizer uses gradients; returns what takes it away again.

    With a closure, as Lightning gives one, the gradients are there once the closure ran, so the look comes then; and it
    may run once only, because a draw is used once (LBFGS evaluates it several times).
    """
    if hasattr(optimizer, "register_step_pre_hook"):

        def hook(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return _look(args, kwargs, check)

        remove: Callable[[], None] = optimizer.register_step_pre_hook(hook).remove
        return remove
    plain = optimizer.step  # PyTorch 1.13

    @functools.wraps(plain)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _look(args, kwargs, check) or (args, kwargs)
        return plain(*args, **kwargs)

    optimizer.step = types.MethodType(step, optimizer)  # type: ignore[method-assign]
    return lambda: setattr(optimizer, "step", plain)


def _look(args: tuple[Any, ...], kwargs: dict[str, Any], check: Callable[[], None]) -> Any:
    position = next((i for i, value in enumerate(args) if _is_closure(value)), None) if args else None
    if position is not None:
        closure = _once(args[position], check)
        return (*args[:position], closure, *args[position + 1:]), kwargs
    if kwargs.get("closure") is not None:
        return args, {**kwargs, "closure": _once(kwargs["closure"], check)}
    check()
    return None


def _is_closure(value: Any) -> bool:
    return callable(value) and not isinstance(value, torch.optim.Optimizer)


def _once(closure: Callable[[], Any], check: Callable[[], None]) -> Callable[[], Any]:
    ran = False

    def run() -> Any:
        nonlocal ran
        if ran:
            raise unsupported("the optimizer evaluates its closure more than once in a step, and a draw is used exactly "
                              "once: use an optimizer that takes one gradient a step")
        ran = True
        loss = closure()
        check()
        return loss

    return run

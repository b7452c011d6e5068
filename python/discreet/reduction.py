"""What the graph of a loss shows of its reduction: a look at the first backward pass.

A mean that is declared as a sum, or the other way round, makes one row's gradient depend on how many others were drawn.
The graph names the operation that reduced the per-sample losses; where it does not say (a reduction by hand), nothing is
concluded. PrivacyEngine.check() compares the gradients themselves, and finds more: weights of classes, ignored targets.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Optional

import torch

_PASSED = ("AddBackward0", "SubBackward0", "NegBackward0", "ToCopyBackward0", "AliasBackward0", "ViewBackward0",
           "SqueezeBackward0")
_SCALED = ("MulBackward0", "DivBackward0")  # perhaps by the number of rows: a mean by hand
_WORDS = {0: "none", 1: "mean", 2: "sum"}


def loss_in_progress() -> Optional[torch.Tensor]:
    """The loss whose backward() this thread is in."""
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None:
        if frame.f_code is torch.autograd.backward.__code__:
            started = frame.f_locals.get("tensors")
            if isinstance(started, (tuple, list)) and len(started) == 1:
                started = started[0]
            return started if isinstance(started, torch.Tensor) else None
        frame = frame.f_back
    return None


def reductions(loss: torch.Tensor) -> set[str]:
    """"mean" and "sum", as far as they are seen between the loss and what is not one number any more."""
    found: set[str] = set()
    stack: list[Any] = [loss.grad_fn]
    seen = set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = node.name()
        if name == "MeanBackward0":
            found.add("mean")
        elif name == "SumBackward0":
            inside = node.next_functions[0][0]
            if inside is not None and inside.name() not in _SCALED:
                found.add("sum")
        elif hasattr(node, "_saved_reduction"):
            found.add(_WORDS.get(node._saved_reduction, "none"))
        elif name in _PASSED:
            stack += [following for following, _ in node.next_functions]
    return found - {"none"}


def disagrees(declared: str, loss: torch.Tensor) -> bool:
    """Whether the graph shows the other reduction, and not this one."""
    found = reductions(loss)
    return bool(found) and declared not in found

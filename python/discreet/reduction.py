"""What the graph of a loss shows of its reduction: a look at the first backward pass.

A mean that is declared as a sum, or the other way round, makes one row's gradient depend on how many others were drawn.
The graph names the operation that reduced the per-sample losses; where it does not say (a reduction by hand), nothing is
concluded. Weights of classes, an ignore_index and tensors outside the model that would learn are seen too.
PrivacyEngine.check() compares the gradients themselves, and finds more: targets of -100, losses that compare samples.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, Optional

import torch

from .errors import unsupported

_PASSED = ("AddBackward0", "SubBackward0", "NegBackward0", "ToCopyBackward0", "AliasBackward0", "ViewBackward0",
           "SqueezeBackward0")
_LAID_TOGETHER = ("StackBackward0", "CatBackward0")  # perhaps several losses, each a number
_SCALED = ("MulBackward0", "DivBackward0")  # perhaps by the number of rows: a mean by hand
_BY_SAMPLE = ("Use reduction=\"none\", your weights, a sum over each sample's own terms, then .sum() and loss_reduction=\"sum\"")
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
        if name in ("MeanBackward0", "SumBackward0"):
            inside = node.next_functions[0][0]
            of = "" if inside is None else inside.name()
            if of in _LAID_TOGETHER:
                continue
            if name == "MeanBackward0":
                found.add("mean")
            elif inside is not None and of not in _SCALED:
                found.add("sum")
        elif hasattr(node, "_saved_reduction"):
            found.add(_WORDS.get(node._saved_reduction, "none"))
        elif name in _PASSED:
            stack += [following for following, _ in node.next_functions]
    return found - {"none"}


def look_at_loss(loss: torch.Tensor, declared: str, output: Any, model: Sequence[torch.Tensor]) -> None:
    """Raises where the loss is seen to be another than the declared reduction of per-sample losses of the output, which is
    the result of this node. What reaches a parameter of the model itself is another's to refuse."""
    nodes = _nodes(loss.grad_fn, output)
    for node in nodes:
        if node.name().endswith("AccumulateGrad") and not any(node.variable is own for own in model):
            raise unsupported(f"the loss depends on a tensor {list(node.variable.shape)} that requires a gradient and is not "
                              "the model's output: it would learn from raw gradients. Make it part of the model (a head, a "
                              "learned weight of the loss), or detach it")
        if getattr(node, "_saved_reduction", None) == 1 and node.name() in ("NllLossBackward0", "NllLoss2DBackward0"):
            _check_mean_of_classes(node)
    for other in reductions(loss) - {declared}:
        raise unsupported(f"loss_reduction is declared as {declared!r}, but the loss is the {other} of the per-sample losses: "
                          "reduce it the other way, or declare it so where each term is one sample's")


def _check_mean_of_classes(node: Any) -> None:
    try:
        weighted = node._saved_weight is not None
    except RuntimeError:  # there was one, and backward() has let it go
        weighted = True
    if weighted:
        raise unsupported("a mean with weights of classes is divided by the weights of the samples that were drawn: one sample "
                          "would count for the others. " + _BY_SAMPLE)
    ignored = node._saved_ignore_index
    if ignored not in (-100, 2**64 - 100):  # what it is where nobody asked for it
        raise unsupported(f"a mean without the targets that are {ignored} (ignore_index) is divided by how many there are in "
                          "all samples: one sample would count for the others. " + _BY_SAMPLE)


def _nodes(first: Any, last: Any) -> list[Any]:
    """Those from one to another, without the latter."""
    found, stack, seen = [], [first], {last}
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found.append(node)
        stack += [following for following, _ in node.next_functions]
    return found

"""What a model gave for a batch, and what of it is watched: tensors [rows, ...] that depend on its parameters.

One watched tensor is handed to the engine as it is. Several are laid side by side as [rows, numbers], and what the engine
gives back is taken apart again: so all of them have one gradient, and a unit has one norm.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from .errors import unsupported
from .tree import map_tensors, tensors


class Outputs:
    """watched: in one tensor. batch: the dimension that is the rows. apart: each unit goes through the model by itself."""

    def __init__(self, result: Any, rows: int, batch: int, apart: bool = False) -> None:
        self._result, self._batch, self._apart = result, batch, apart
        if isinstance(result, torch.Tensor) and result.requires_grad and result.is_floating_point():  # as usual
            self.watched = result
            return
        found = self._find(rows)
        self._parts = {id(tensor): tensor for _, tensor in found}  # in order
        self.watched = found[0][1] if len(self._parts) == 1 else self._join(found, rows)

    def rebuild(self, cut: torch.Tensor) -> Any:
        """The model's result with every watched tensor taken from the cut."""
        if self.watched is self._result:
            return cut
        if len(self._parts) == 1:
            replaced = {identity: cut for identity in self._parts}
        else:
            replaced = self._split(cut)
        return map_tensors(self._result, lambda tensor, path: replaced.get(id(tensor), tensor))

    def _find(self, rows: int) -> list[tuple[str, torch.Tensor]]:
        """What is watched, with its path."""
        found, whole = [], []
        for path, tensor in tensors(self._result):
            if not tensor.is_floating_point():
                if not torch.is_grad_enabled() and has_rows(tensor, rows, self._batch):
                    whole.append((path, tensor))
                continue
            if torch.is_grad_enabled():
                watched = tensor.grad_fn is not None
            else:  # only looked at, and nothing has a graph
                watched = has_rows(tensor, rows, self._batch)
            if watched:
                found.append((path, tensor))
            elif self._apart and torch.is_grad_enabled():
                raise unsupported(f"grad_mode 'exact_slow' runs the model on each unit, and its output {_name(path)} has "
                                  "no graph that would put the units together again: let the model give only what the "
                                  "loss needs")
        if not found:
            if whole:  # classes, of a model in evaluation mode
                return whole[:1]
            raise unsupported(f"the model gives no tensor with a row for each of the {rows} rows that were handed out, in "
                              f"its dimension {self._batch}, that depends on its parameters (detached? under no_grad? a "
                              "loss that the model computes itself?)")
        return found

    def _join(self, found: list[tuple[str, torch.Tensor]], rows: int) -> torch.Tensor:
        kind = functools.reduce(torch.promote_types, [tensor.dtype for tensor in self._parts.values()])
        for path, tensor in found:
            if not has_rows(tensor, rows, self._batch):
                raise unsupported(
                    f"the model's output {_name(path)} is {list(tensor.shape)}: it has no row for each of the {rows} rows "
                    f"that were handed out, in its dimension {self._batch}. Let the model give outputs of single rows "
                    "and make the loss of them (a loss that it computes itself, from labels, mixes the rows)")
        joined = torch.cat([tensor.movedim(self._batch, 0).reshape(rows, -1).to(kind)
                            for tensor in self._parts.values()], 1)
        if self._batch == 0:
            return joined
        return joined.t().reshape([-1] + [1] * (self._batch - 1) + [rows])

    def _split(self, cut: torch.Tensor) -> dict[int, torch.Tensor]:
        rows = cut.size(self._batch)
        joined = cut if self._batch == 0 else cut.reshape(-1, rows).t()
        replaced, begin = {}, 0
        for identity, tensor in self._parts.items():
            shape = list(tensor.movedim(self._batch, 0).shape)[1:]
            width = int(torch.Size(shape).numel())
            part = joined.narrow(1, begin, width).reshape([rows, *shape]).movedim(0, self._batch)
            replaced[identity] = part.to(tensor.dtype)
            begin += width
        return replaced


def has_rows(tensor: torch.Tensor, rows: int, dimension: int) -> bool:
    return tensor.dim() > dimension and tensor.size(dimension) == rows


def _name(path: str) -> str:
    return f"'{path}'" if path else "(its only one)"

"""Tensors within what a model takes and gives: tuples, lists, dictionaries, dataclasses, in any depth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Callable

import torch
from torch.nn.utils.rnn import PackedSequence


def map_tensors(value: Any, change: Callable[[torch.Tensor, str], Any], path: str = "") -> Any:
    """The same structure with every tensor changed; path: "logits", "1.hidden". Other objects stay as they are."""
    if isinstance(value, torch.Tensor):
        return change(value, path)
    if isinstance(value, PackedSequence):
        return value  # its rows are not one for each sample

    def inner(item: Any, name: object) -> Any:
        return map_tensors(item, change, f"{path}.{name}" if path else str(name))

    if isinstance(value, (tuple, list)):
        if hasattr(value, "_fields"):
            return type(value)(*[inner(item, name) for item, name in zip(value, value._fields)])
        return type(value)([inner(item, i) for i, item in enumerate(value)])
    if isinstance(value, Mapping):
        items = {key: inner(item, key) for key, item in value.items()}
        # A dictionary that is a dataclass as well (the outputs of transformers) is made of its fields.
        return type(value)(**items) if dataclasses.is_dataclass(value) else _like(value, items)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: inner(getattr(value, f.name), f.name) for f in dataclasses.fields(value) if f.init}
        return dataclasses.replace(value, **fields)
    return value


def _like(value: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    if type(value) is dict:
        return items
    try:
        return type(value)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def tensors(value: Any) -> list[tuple[str, torch.Tensor]]:
    """Every tensor with its path, in order."""
    if isinstance(value, torch.Tensor):
        return [("", value)]
    found: list[tuple[str, torch.Tensor]] = []

    def note(tensor: torch.Tensor, path: str) -> torch.Tensor:
        found.append((path, tensor))
        return tensor

    map_tensors(value, note)
    return found

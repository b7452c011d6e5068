"""The engine's draws as batches of a data set: for x, y in engine.loader(dataset)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional

import torch
from torch.utils.data import (BatchSampler, DataLoader, IterableDataset, RandomSampler, SequentialSampler, TensorDataset,
                              default_collate)

from .errors import Error, unsupported
from .tree import map_tensors

if TYPE_CHECKING:
    from ._engine import Pieces

Collate = Callable[[list[Any]], Any]


class Source:
    """Rows by number: a tensor, a tuple or dictionary of tensors, a TensorDataset (those are read at once), or any data
    set with len() and [i], whose items collate_fn makes a batch of. A DataLoader stands for its data set and collate_fn;
    its own order is not used.
    """

    def __init__(self, data: Any, collate_fn: Optional[Collate] = None) -> None:
        if isinstance(data, DataLoader):
            _check_sampler(data)
            collate_fn = collate_fn or data.collate_fn
            data = data.dataset
        if isinstance(data, IterableDataset):
            raise unsupported("Poisson draws need rows by number: an IterableDataset has none, use one with len() and [i]")
        if type(data) is TensorDataset and collate_fn in (None, default_collate):
            data = tuple(data.tensors)
        if isinstance(data, torch.Tensor):
            data = (data,)
        self._columns = data if _is_columns(data) and collate_fn in (None, default_collate) else None
        self._data = data
        self._collate = collate_fn or default_collate
        self.collates = collate_fn not in (None, default_collate)  # in a way of its own
        if self._columns is not None:
            columns = list(self._columns.values()) if isinstance(self._columns, Mapping) else list(self._columns)
            self.count = int(columns[0].shape[0]) if columns[0].dim() > 0 else 0
            if any(column.dim() == 0 or column.shape[0] != self.count for column in columns):
                raise Error("the tensors of a data set must have the same number of rows")
        elif isinstance(data, (tuple, list)) and data and all(hasattr(part, "shape") for part in data):
            raise Error("a tuple of tensors is a data set of their rows; this one, of "
                        f"{', '.join(sorted({type(part).__name__ for part in data}))}, could be that or a list of items: give "
                        "a tuple of torch tensors, or a TensorDataset")
        elif hasattr(data, "__len__") and hasattr(data, "__getitem__"):
            self.count = len(data)
        else:
            raise Error("loader() needs tensors, a data set with len() and [i], or a DataLoader of one")

    def batch(self, rows: torch.Tensor) -> Any:
        """rows: int64 [rows], at least one."""
        if self._columns is not None:
            return map_tensors(self._columns, lambda column, path: column.index_select(
                0, rows if column.is_cpu else rows.to(column.device)))
        numbers = rows.tolist()
        if hasattr(self._data, "__getitems__"):
            return self._collate(self._data.__getitems__(numbers))
        return self._collate([self._data[number] for number in numbers])

    def nobody(self) -> Any:
        """One row of zeros, in the form of a batch of row 0."""
        return _nobody(self.batch(torch.zeros(1, dtype=torch.int64)))

    def records(self, begin: int, end: int) -> list[bytes]:
        """What identifies each row: the bytes of its numbers, as the compiled loader takes them."""
        if self._columns is not None:
            rows = torch.arange(begin, end)
            return [record_bytes(map_tensors(self._columns, lambda column, path: column[row])) for row in rows]
        return [record_bytes(self._data[row]) for row in range(begin, end)]


class Loader:
    """Batches in one pass: draws times pieces. Each goes through the model and backward() exactly once before the next.

    An empty draw is one row of zeros that belongs to nobody and adds nothing. Iterating again makes another pass; where a
    plan ends, so does the pass, and another one is refused.
    """

    def __init__(self, pieces: Pieces, source: Source, planned: Callable[[], bool], empty: Any = None) -> None:
        self._pieces, self._source, self._planned, self._empty = pieces, source, planned, empty
        self._handed = 0  # in this pass

    @property
    def dataset(self) -> Any:
        return self._source._data

    def __len__(self) -> int:
        return len(self._pieces)

    def __iter__(self) -> Iterator[Any]:
        begun = False
        if self._handed == len(self):  # whoever counts batches does not ask for the end
            self._pieces.next()
            self._handed = 0
        while True:
            if not self._planned():
                if begun:
                    return
                raise used_up()
            rows = self._pieces.next()
            if rows is None:
                self._handed = 0
                return
            begun = True
            self._handed += 1
            yield self._source.batch(rows) if rows.numel() else self._nobody()

    def _nobody(self) -> Any:
        if self._empty is None:
            self._empty = self._source.nobody()
        return map_tensors(self._empty, lambda tensor, path: tensor.clone())


def used_up() -> Error:
    return Error("the plan's steps are used up: make a plan for more, with another engine", "budget-exhausted")


def numbers_of(units: Any, rows: int) -> list[int]:
    """loader(units=): the unit of each row."""
    if isinstance(units, Mapping) or not hasattr(units, "__iter__"):
        raise Error(f"units must give the unit of each row in their order, not a {type(units).__name__}")
    try:
        given = [unit.item() if hasattr(unit, "item") else unit for unit in units]
        numbers = [int(unit) for unit in given]
    except (TypeError, ValueError, OverflowError):
        numbers = []
        given = [None]
    if any(isinstance(unit, str) or number != unit or not -2**63 <= number < 2**63 for unit, number in zip(given, numbers)) \
            or len(numbers) != len(given):
        raise Error("units must be whole numbers of 64 bits: number names or other identifiers first")
    if len(numbers) != rows:
        raise Error(f"units must have one number for each of the {rows} rows; there are {len(numbers)} (an iterator that was "
                    "used up before?)")
    return numbers


def _check_sampler(loader: DataLoader[Any]) -> None:
    sampler = getattr(loader, "sampler", None)
    own = type(loader.batch_sampler) is not BatchSampler if loader.batch_sampler is not None else False
    if own or type(sampler) not in (SequentialSampler, RandomSampler):
        raise unsupported(f"the DataLoader's {type(loader.batch_sampler if own else sampler).__name__} would not be used, because "
                          "the engine draws from the whole data set: give it the records that it may use "
                          "(torch.utils.data.Subset), without a sampler")


def _is_columns(data: Any) -> bool:
    if isinstance(data, Mapping):
        return len(data) > 0 and all(isinstance(value, torch.Tensor) for value in data.values())
    return isinstance(data, tuple) and len(data) > 0 and all(isinstance(value, torch.Tensor) for value in data)


def _nobody(batch: Any) -> Any:
    """Zeros for numbers, nothing for words; a record of the data must not show through."""
    if isinstance(batch, torch.Tensor):
        return torch.zeros_like(batch)
    if isinstance(batch, Mapping):
        return type(batch)({key: _nobody(value) for key, value in batch.items()})  # type: ignore[call-arg]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*[_nobody(value) for value in batch])
    if isinstance(batch, (tuple, list)):
        return type(batch)([_nobody(value) for value in batch])
    if batch is None or isinstance(batch, (bool, int, float, str, bytes)):
        return type(batch)() if batch is not None else None
    raise unsupported(f"an empty draw needs a batch of nobody, and a {type(batch).__name__} in the batch cannot be made one: "
                      "give loader(..., empty=) one of one row of zeros")


def record_bytes(item: Any) -> bytes:
    """Numbers as default_collate would store them; words in UTF-8."""
    if isinstance(item, Mapping):
        return b"".join(record_bytes(item[key]) for key in sorted(item, key=str))
    if isinstance(item, (tuple, list)):
        return b"".join(record_bytes(value) for value in item)
    if isinstance(item, torch.Tensor):
        array = item.detach().cpu().contiguous()
        return array.reshape(-1).view(torch.uint8).numpy().tobytes() if array.numel() else b""
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return item
    if item is None:
        return b""
    if hasattr(item, "tobytes"):
        return bytes(item.tobytes())
    if isinstance(item, (bool, int, float)):
        return record_bytes(torch.as_tensor(item, dtype=torch.float64 if isinstance(item, float) else None))
    raise unsupported(f"a ledger recognises a data set by the bytes of its records, and a {type(item).__name__} in a record "
                      "has none: give tensors, arrays, numbers or words")



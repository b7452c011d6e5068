"""Several processes that train one model: a group of torch.distributed, as the compiled engine takes it."""

from __future__ import annotations

import weakref
from typing import Any

import torch
import torch.distributed as dist

from .errors import Error, unsupported


class Group:
    """given: True for all processes of torch.distributed, or a group of them that has Gloo.

    Sums and releases are made on the processor, in a group of the engine's own where all take part: what the model
    or the training loop exchanges (over NCCL, say) stays apart.
    """

    def __init__(self, given: Any) -> None:
        if not dist.is_available():
            raise unsupported("processes: this build of torch comes without torch.distributed")
        if not dist.is_initialized():
            raise Error("processes: torch.distributed.init_process_group() comes before the engine (torchrun sets what it reads)")
        if given is not True and not isinstance(given, dist.ProcessGroup):
            raise Error(f"processes must be True, or a group of torch.distributed; not a {type(given).__name__}")
        self._held = [dist.new_group(backend="gloo") if given is True else given]
        # Gloo's threads end before the interpreter does, or they would take it down.
        weakref.finalize(self, _let_go, self._held, given is True)
        self.rank, self.size = dist.get_rank(self._held[0]), dist.get_world_size(self._held[0])
        if "gloo" not in dist.get_backend(self._held[0]):
            raise unsupported("processes: sums are made on the processor, which needs Gloo: give a group made by "
                              "torch.distributed.new_group(backend=\"gloo\"), or True")

    def sum(self, values: torch.Tensor) -> None:
        dist.all_reduce(values, group=self._held[0])

    def broadcast(self, values: torch.Tensor, source: int) -> None:
        dist.broadcast(values, dist.get_global_rank(self._held[0], source), group=self._held[0])


def _let_go(held: list[Any], own: bool) -> None:
    """When the engine is gone, at the latest at exit."""
    group = held.pop()
    if not own or not dist.is_initialized():
        return
    try:
        dist.destroy_process_group(group)
    except (AssertionError, RuntimeError, ValueError):
        pass  # whoever trains has destroyed all groups

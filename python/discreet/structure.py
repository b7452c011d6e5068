"""Whether a model still consists of the modules and tensors that it had."""

from __future__ import annotations

from typing import Any, Callable

import torch

Part = tuple[torch.nn.Module, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]


class Structure:
    """look: whether the modules hold what these parts say (the compiled engine's)."""

    def __init__(self, model: torch.nn.Module, look: Callable[[tuple[Part, ...]], bool]) -> None:
        self._look = look
        self._parts = tuple((module, tuple(module._modules.values()), tuple(module._parameters.values()),
                             tuple(module._buffers.values())) for module in model.modules())

    def is_the_same(self) -> bool:
        return self._look(self._parts)

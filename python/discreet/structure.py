"""What a model consists of: is_the_same(parts_of(model)), of the compiled engine, says whether it still does."""

from __future__ import annotations

from typing import Any

import torch

Part = tuple[torch.nn.Module, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]


def parts_of(model: torch.nn.Module) -> tuple[Part, ...]:
    """Each module with its own modules, parameters and buffers, in order."""
    return tuple((module, tuple(module._modules.values()), tuple(module._parameters.values()),
                  tuple(module._buffers.values())) for module in model.modules())

"""Whether a model still consists of the modules and tensors that it had: looked at twice a step, so without names."""

from __future__ import annotations

from typing import Any

import torch


class Structure:
    def __init__(self, model: torch.nn.Module) -> None:
        self._parts = [(module, _numbers(module._modules), _numbers(module._parameters), _numbers(module._buffers))
                       for module in model.modules()]
        # A number is an object's for as long as it lives.
        self._living = [(module._modules.copy(), module._parameters.copy(), module._buffers.copy())
                        for module, *_ in self._parts]

    def is_the_same(self) -> bool:
        for module, modules, parameters, buffers in self._parts:
            if (_numbers(module._modules) != modules or _numbers(module._parameters) != parameters
                    or _numbers(module._buffers) != buffers):
                return False
        return True


def _numbers(held: dict[str, Any]) -> tuple[int, ...]:
    return tuple(map(id, held.values()))

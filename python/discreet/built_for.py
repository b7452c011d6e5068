"""The compiled engine belongs to one version of torch: its insides differ from version to version."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import Error


def check(built: str, installed: str) -> None:
    """Raises Error unless the two are the same version, "2.11.0+cu130"."""
    if built != installed:
        raise Error(
            f"discreet was built for torch {built}, and torch {installed} is installed: build it again for that one "
            "(pip install --force-reinstall --no-deps ./python)",
            "unavailable",
        )


def load_engine() -> ModuleType:
    """The compiled engine, after torch, whose libraries it needs."""
    torch = importlib.import_module("torch")
    built = importlib.import_module("discreet._built")
    check(built.TORCH, str(torch.__version__))
    return importlib.import_module("discreet._engine")

"""Deep learning that keeps its training data to itself.

    engine = PrivacyEngine(model, batch_size=256, sample_size=60000, noise_multiplier=1.1, max_grad_norm=1.0)
    engine.attach(optimizer)
    for x, y in engine.loader(dataset):
        optimizer.zero_grad(); loss = criterion(model(x), y); loss.backward(); optimizer.step()
    engine.epsilon(delta=1e-5)

`discreet.accounting` needs no torch; train, load and verify are the program's jobs. What needs torch is imported when
it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .errors import Error

if TYPE_CHECKING:
    from . import accounting as accounting
    from .engine import PrivacyEngine as PrivacyEngine
    from .options import AdaptiveClipping as AdaptiveClipping
    from .package import Package as Package
    from .package import Verification as Verification
    from .package import load as load
    from .package import verify as verify
    from .program import train as train

__version__ = "0.1.0"

_HOMES = {
    "AdaptiveClipping": "options",
    "Package": "package",
    "PrivacyEngine": "engine",
    "Verification": "package",
    "accounting": "",
    "load": "package",
    "train": "program",
    "verify": "package",
}
__all__ = ["Error", "__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'discreet' has no attribute {name!r}")
    home = _HOMES[name]
    if not home:
        return importlib.import_module("." + name, __name__)
    value: object = getattr(importlib.import_module("." + home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

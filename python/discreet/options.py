"""What an engine is told, in Python's words, as the compiled engine takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Optional, Union

from .errors import Error


@dataclass(frozen=True)
class AdaptiveClipping:
    """The clip follows a quantile of the norms (Andrew and others 2021), by counts that are charged with the sum."""

    target_quantile: float = 0.5  # share of the units whose norm the clip shall not pass, 0 to 1
    learning_rate: float = 0.2  # of the logarithm of the clip, above 0, at most 10
    count_noise_multiplier: Optional[float] = None  # of the counts; None: batch_size / 20


Clipping = Union[str, Mapping[str, float], AdaptiveClipping]
PLACEMENTS = ("whole-on-each", "part-on-each")
_STYLES = ("flat", "per-layer", "normalised", "adaptive")


@dataclass
class Options:
    """Those of PrivacyEngine, whose documentation says what they mean."""

    batch_size: int
    sample_size: float
    noise_multiplier: float
    max_grad_norm: float = 1.0
    loss_reduction: str = "mean"
    clipping: Clipping = "flat"
    stability: float = 0.01
    max_weight: float = 1.0
    relation: str = "add-or-remove-one"
    unit: str = "row"
    charge: Optional[Callable[[int], None]] = None
    ledger: Union[str, bool, None] = None
    ledger_dataset: str = ""
    ledger_run: str = ""
    ledger_steps: int = 0
    ledger_delta: float = 1e-5
    steps_before: int = 0
    grad_mode: str = "graph"
    norm_way: str = "automatic"
    batch_dimension: int = 0
    row_inputs: Optional[dict[str, int]] = None  # with the dimension of each that is the rows
    check_first_batch: bool = True
    independent_buffers: list[str] = field(default_factory=list)
    seed_for_tests: Optional[int] = None
    unaccounted: bool = False
    processes: Any = None
    placement: str = ""

    # What makes two runs one training: a state is loaded only where these are the same.
    IDENTITY = ("batch_size", "sample_size", "noise_multiplier", "loss_reduction", "clipping", "stability", "max_weight",
                "relation", "unit", "ledger_steps", "ledger_delta", "unaccounted")

    def identity(self) -> dict[str, Any]:
        return {name: repr(getattr(self, name)) for name in self.IDENTITY}

    def native(self, default_ledger: Callable[[], str]) -> dict[str, Any]:
        """One value for each name that src/engine.cc reads."""
        style, groups, adaptive = _clipping(self.clipping)
        if self.ledger is True:
            self.ledger = default_ledger()
        self._join_processes()
        result = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("unit", "clipping", "ledger", "row_inputs")}
        result.update(
            clipping=style,
            groups=groups,
            target_quantile=adaptive.target_quantile,
            clip_learning_rate=adaptive.learning_rate,
            count_noise_multiplier=adaptive.count_noise_multiplier,
            ledger=str(self.ledger or ""),
            ledger_unit_column="" if self.unit == "row" else self.unit,
            independent_buffers=list(self.independent_buffers),
        )
        return result

    def _join_processes(self) -> None:
        if not self.processes:
            if self.placement:
                raise Error("placement is for several processes: give processes=True as well, or leave it out")
            self.processes = None
            return
        if self.placement not in PLACEMENTS:
            raise Error(f"placement must be declared with processes: {' or '.join(PLACEMENTS)} (every process has all the "
                        f"data, and its units are shared out; or each has records of its own); not {self.placement!r}")
        from .processes import Group

        if not isinstance(self.processes, Group):
            self.processes = Group(self.processes)


def _clipping(given: Clipping) -> tuple[str, list[tuple[str, float]], AdaptiveClipping]:
    if isinstance(given, AdaptiveClipping):
        return "adaptive", [], given
    if isinstance(given, Mapping):
        return "per-group", [(str(prefix), float(norm)) for prefix, norm in given.items()], AdaptiveClipping()
    style = given.replace("_", "-") if isinstance(given, str) else given
    if style not in _STYLES:
        raise Error(f"clipping must be one of {', '.join(_STYLES)}, a dictionary from prefixes of parameters' names to "
                    f"norms, or an AdaptiveClipping; not {given!r}")
    return style, [], AdaptiveClipping()

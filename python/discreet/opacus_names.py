"""The names that users of Opacus know, where they mean the same; a sentence where they would mean something else.

docs/coming-from-opacus.md says what differs and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

import torch
from torch.utils.data import DataLoader

from .errors import Error, unsupported
from .options import AdaptiveClipping, Clipping, Options

if TYPE_CHECKING:
    from .loader import Loader

_CLIPPINGS = {"flat": "flat", "per_layer": "per-layer", "automatic": "normalised", "normalised": "normalised"}
_MODES = ("hooks", "functorch", "ew", "ghost")


class OpacusNames:
    """Methods of PrivacyEngine."""

    def make_private(
        self,
        *,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        data_loader: DataLoader[Any],
        noise_multiplier: float,
        max_grad_norm: Union[float, list[float]],
        criterion: Any = None,
        batch_first: bool = True,
        loss_reduction: str = "mean",
        poisson_sampling: bool = True,
        clipping: str = "flat",
        grad_sample_mode: str = "hooks",
        noise_generator: Any = None,
        **adaptive: Any,
    ) -> Any:
        """(module, optimizer, loader): the first two as they were given. With grad_sample_mode="ghost" the criterion
        stands before the loader, as in Opacus.

        batch_size is the DataLoader's and sample_size the length of its data set, which is thereby made public.
        """
        _check_meaning(data_loader, max_grad_norm, poisson_sampling, grad_sample_mode, noise_generator)
        options = Options(
            batch_size=int(data_loader.batch_size or 0), sample_size=float(len(data_loader.dataset)),  # type: ignore[arg-type]
            noise_multiplier=noise_multiplier, max_grad_norm=float(max_grad_norm),  # type: ignore[arg-type]
            loss_reduction=loss_reduction, clipping=_clipping(clipping, adaptive), batch_dimension=0 if batch_first else 1)
        loader = self._begin(module, optimizer, data_loader, options)
        if grad_sample_mode == "ghost":
            return module, optimizer, criterion, loader
        return module, optimizer, loader

    def make_private_with_epsilon(
        self,
        *,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        data_loader: DataLoader[Any],
        target_epsilon: float,
        target_delta: float,
        epochs: float,
        max_grad_norm: Union[float, list[float]],
        criterion: Any = None,
        batch_first: bool = True,
        loss_reduction: str = "mean",
        poisson_sampling: bool = True,
        clipping: str = "flat",
        grad_sample_mode: str = "hooks",
        noise_generator: Any = None,
        **adaptive: Any,
    ) -> Any:
        """make_private() with the least noise for that many epochs; a draw beyond them is refused."""
        import math

        from . import accounting
        from .engine import passes

        _check_meaning(data_loader, max_grad_norm, poisson_sampling, grad_sample_mode, noise_generator)
        batch_size, size = int(data_loader.batch_size or 0), float(len(data_loader.dataset))  # type: ignore[arg-type]
        steps = math.ceil(epochs * passes(batch_size, size))
        plan = accounting.plan(epsilon=target_epsilon, delta=target_delta, sample_size=size, batch_size=batch_size,
                               steps=steps)
        assert plan.noise_multiplier is not None
        options = Options(
            batch_size=batch_size, sample_size=size, noise_multiplier=plan.noise_multiplier,
            max_grad_norm=float(max_grad_norm), loss_reduction=loss_reduction,  # type: ignore[arg-type]
            clipping=_clipping(clipping, adaptive), batch_dimension=0 if batch_first else 1, ledger_steps=steps,
            ledger_delta=target_delta)
        loader = self._begin(module, optimizer, data_loader, options)
        if grad_sample_mode == "ghost":
            return module, optimizer, criterion, loader
        return module, optimizer, loader

    def get_epsilon(self, delta: float) -> float:
        """epsilon(delta)"""
        return self.epsilon(delta)

    @property
    def accountant(self) -> OpacusNames:
        """This engine, which accounts for its own steps: engine.accountant.get_epsilon(delta)."""
        return self

    def _begin(self, module: torch.nn.Module, optimizer: torch.optim.Optimizer, data_loader: DataLoader[Any],
               options: Options) -> Loader:
        if getattr(self, "_engine", None) is not None:
            raise Error("make_private() is for an engine that was made without a model: PrivacyEngine()")
        if hasattr(self, "_last"):
            raise Error("make_private() once for each engine: this one has trained before, and its epsilon() is of that. Use "
                        "another PrivacyEngine(), or a ledger, which adds up")
        self._start(module, options)
        self.attach(optimizer)
        return self.loader(data_loader)

    @staticmethod
    def _check_opacus_settings(accountant: str, secure_mode: bool) -> None:
        # secure_mode=False asks for less than what there is always: noise by a cryptographic generator.
        if accountant not in ("pld", "prv", "rdp"):
            raise Error(f"accountant: epsilon() is the tightest of two upper bounds (pld, rdp); {accountant!r} is none of "
                        "them (\"gdp\" is an approximation, not a bound)")

    if TYPE_CHECKING:
        def epsilon(self, delta: float) -> float: ...
        def attach(self, optimizer: torch.optim.Optimizer) -> None: ...
        def loader(self, dataset: Any, draws: Optional[int] = None) -> Loader: ...
        def _start(self, model: torch.nn.Module, options: Options) -> None: ...


def _check_meaning(data_loader: Any, max_grad_norm: Any, poisson_sampling: bool, grad_sample_mode: str,
                   noise_generator: Any) -> None:
    if not isinstance(data_loader, DataLoader):
        raise Error(f"data_loader must be a torch DataLoader, not a {type(data_loader).__name__}")
    if data_loader.batch_size is None:
        raise Error("data_loader has a batch sampler of its own: its batch_size is needed, because the engine draws")
    if not poisson_sampling:
        raise unsupported("poisson_sampling=False: without Poisson draws there is no amplification by sampling, and an epsilon "
                          "that counts on it would be too small. Leave it out; the loader that comes back draws")
    if isinstance(max_grad_norm, (list, tuple)):
        raise unsupported("max_grad_norm as a list goes by the order of the parameters: give PrivacyEngine(clipping={prefix: "
                          "norm}) a norm for each group of parameters, by their names")
    if noise_generator is not None:
        raise unsupported("noise_generator: noise comes from the system's cryptographic generator; for tests give "
                          "PrivacyEngine(seed_for_tests=)")
    if grad_sample_mode not in _MODES:
        raise Error(f"grad_sample_mode must be one of {', '.join(_MODES)}, which give the same here; not {grad_sample_mode!r}")


def _clipping(clipping: str, adaptive: dict[str, Any]) -> Clipping:
    if clipping == "adaptive":
        known = {"target_unclipped_quantile": "target_quantile", "clipbound_learning_rate": "learning_rate",
                 "unclipped_num_std": "count_noise_multiplier"}
        for name in adaptive:
            if name in ("max_clipbound", "min_clipbound"):
                raise unsupported(f"{name}: the clip is kept between 1e-12 and 1e12; leave it out")
            if name not in known:
                raise Error(f"make_private: unknown argument {name!r}")
        return AdaptiveClipping(**{known[name]: value for name, value in adaptive.items()})
    if adaptive:
        raise Error(f"make_private: unknown argument {next(iter(adaptive))!r}")
    if clipping not in _CLIPPINGS:
        raise Error(f"clipping must be one of {', '.join(_CLIPPINGS)}, adaptive; not {clipping!r}")
    return _CLIPPINGS[clipping]

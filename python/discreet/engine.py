"""PrivacyEngine: private training of an unmodified nn.Module with an unmodified optimizer.

The guarantee is that of the compiled engine (discreet/dp/privacy_engine.h): each release, one draw's gradients after
backward(), is one Poisson-sampled Gaussian mechanism with sample rate batch_size / sample_size and noise of
noise_multiplier times the sensitivity of the clipped sum. A gradient that reaches a trained parameter another way, a
parameter or buffer that the forward pass writes, a draw that is dropped or used twice stop with a discreet.Error.

Not seen by the engine, and the caller's duty (docs/pitfalls.md, "Left to you"): a loss in which samples count for each
other (check() looks for that, and the first step for some of it); rows that are mixed before they come to the model, by
the loop or a collate_fn; what begins to mix them after the first batch, which is looked at; parameters outside the model
and gradients taken by hand; state that the model keeps outside parameters and buffers; and what is printed or stored of
losses, outputs and counts, or decided by them.
"""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

import torch

from . import accounting, built_for
from .errors import Error, unsupported
from .loader import Loader, Source, numbers_of, used_up
from .opacus_names import OpacusNames
from .optimizer import before_each_step
from .options import Clipping, Options
from .outputs import Outputs
from .reduction import look_at_loss, loss_in_progress
from .structure import parts_of
from .watched import Call, Evaluating, WatchedForward, rows_of

if TYPE_CHECKING:
    from . import _engine as native
else:
    native = built_for.load_engine()

STATE_VERSION = 1
_SHARED_OUT = ("DistributedDataParallel", "FullyShardedDataParallel", "DataParallel")


RowInputs = Union[Sequence[Union[int, str]], Mapping[Union[int, str], int]]


def _row_dimensions(inputs: Optional[RowInputs], batch_dimension: int) -> Optional[dict[str, int]]:
    """The dimension of rows by each input's number or name."""
    if inputs is None:
        return None
    if isinstance(inputs, (int, str)):
        raise Error(f"row_inputs must be a list of inputs' numbers and names, or a dictionary, not {inputs!r}")
    if not isinstance(inputs, Mapping):
        return {str(name): batch_dimension for name in inputs}
    for name, dimension in inputs.items():
        if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 0:
            raise Error(f"row_inputs: the dimension of input {name!r} must be a whole number of at least 0, not {dimension!r}")
    return {str(name): dimension for name, dimension in inputs.items()}


class PrivacyEngine(OpacusNames):
    """Trains the parameters of `model` that require a gradient now.

    batch_size: expected number of units in a draw, and what sums are divided by. sample_size: declared or privately
    estimated number of units; the sample rate is their quotient. noise_multiplier: noise over sensitivity, above 0.
    max_grad_norm: the clip. loss_reduction: how the loss was made of per-sample losses, "mean" or "sum".
    clipping: "flat" (one norm), "per-layer", "normalised" (every gradient scaled to just below the clip, `stability`),
    a dictionary {prefix of parameters' names: norm}, "adaptive" or an AdaptiveClipping. max_weight: see weigh().
    relation: what epsilon() is stated for. unit: "row", or what the units are called whose rows loader(units=) names.
    ledger: a file's path or True for the program's; ledger_dataset is the data set's label there, and the whole training
    of ledger_steps steps is reserved at ledger_delta with the first loader(). charge: called with a step's number before
    its noise is drawn, for a ledger of one's own. grad_mode: "graph", or "exact_slow", one unit at a time, for any model.
    norm_way: "automatic", "ghost" or "direct". batch_dimension: that of inputs and outputs. row_inputs: the model's inputs
    that have a row for each sample, by their numbers or names (of positional and of named ones); a dictionary also says in
    which dimension ({0: 0, "hidden": 1}). "exact_slow" needs it where there are several tensors; the others go to every unit
    as they are. check_first_batch: the first batch is looked at for outputs that depend
    on other rows, on their number or on a row's place. independent_buffers: buffers and frozen parameters that may change
    because their updates do not depend on the data. seed_for_tests: the same draws and noise each time, hence not private.
    unaccounted: for tests and study; any batch is taken, noise_multiplier may be 0, and epsilon() refuses.
    processes: True where several processes train one model (torchrun starts them, and init_process_group() comes first), or
    a group of torch.distributed that has Gloo. All numbers are those of the whole, the noise is added once, and every
    process steps by the same released gradient; all start from the weights of process 0, which charges. placement:
    "whole-on-each" (every process has all the data, and its units are shared out) or "part-on-each" (each has records of
    its own). The processes trust each other and the network between them.

    Without a model it waits for make_private(); accountant and secure_mode are Opacus's.
    """

    def __init__(
        self,
        model: Optional[torch.nn.Module] = None,
        *,
        batch_size: int = 0,
        sample_size: float = 0,
        noise_multiplier: float = 0,
        max_grad_norm: float = 1.0,
        loss_reduction: str = "mean",
        clipping: Clipping = "flat",
        stability: float = 0.01,
        max_weight: float = 1.0,
        relation: str = "add-or-remove-one",
        unit: str = "row",
        ledger: Union[str, bool, None] = None,
        ledger_dataset: str = "",
        ledger_steps: int = 0,
        ledger_delta: float = 1e-5,
        charge: Optional[Callable[[int], None]] = None,
        grad_mode: str = "graph",
        norm_way: str = "automatic",
        batch_dimension: int = 0,
        row_inputs: Optional[RowInputs] = None,
        check_first_batch: bool = True,
        independent_buffers: Sequence[str] = (),
        seed_for_tests: Optional[int] = None,
        unaccounted: bool = False,
        processes: Any = None,
        placement: str = "",
        accountant: str = "pld",
        secure_mode: bool = True,
    ) -> None:
        self._engine: Optional[native.Engine] = None
        self._check_opacus_settings(accountant, secure_mode)
        if model is not None:
            self._start(model, Options(
                batch_size=batch_size, sample_size=sample_size, noise_multiplier=noise_multiplier,
                max_grad_norm=max_grad_norm, loss_reduction=loss_reduction, clipping=clipping, stability=stability,
                max_weight=max_weight, relation=relation, unit=unit, charge=charge, ledger=ledger,
                ledger_dataset=ledger_dataset, ledger_steps=ledger_steps, ledger_delta=ledger_delta, grad_mode=grad_mode,
                norm_way=norm_way, batch_dimension=batch_dimension,
                row_inputs=_row_dimensions(row_inputs, batch_dimension),
                check_first_batch=check_first_batch, independent_buffers=list(independent_buffers or ()), seed_for_tests=seed_for_tests, unaccounted=unaccounted,
                processes=processes, placement=placement))

    @classmethod
    def with_epsilon(cls, model: torch.nn.Module, *, epsilon: float, delta: float, epochs: float, batch_size: int,
                     sample_size: float, relation: str = "add-or-remove-one", **options: Any) -> PrivacyEngine:
        """The least noise with which `epochs` passes over loader() cost at most epsilon at delta.

        The plan is kept: a draw beyond it is refused.
        """
        for name, value, least in (("batch_size", batch_size, 1), ("sample_size", sample_size, batch_size)):
            if not isinstance(value, (int, float)) or not least <= value < math.inf:
                raise Error(f"{name} must be a finite number of at least {least}, not {value!r}")
        if not isinstance(epochs, (int, float)) or not 0 < epochs < math.inf:
            raise Error(f"epochs must be a finite number above 0, not {epochs!r}")
        if "noise_multiplier" in options:
            raise Error("noise_multiplier is what with_epsilon() finds: leave it out, or make PrivacyEngine(noise_multiplier=)")
        steps = math.ceil(epochs * passes(batch_size, sample_size))
        plan = accounting.plan(epsilon=epsilon, delta=delta, relation=relation, sample_size=sample_size,
                               batch_size=batch_size, steps=steps)
        assert plan.noise_multiplier is not None
        return cls(model, batch_size=batch_size, sample_size=sample_size, noise_multiplier=plan.noise_multiplier,
                   relation=relation, ledger_steps=steps, ledger_delta=delta, **options)

    # The model and the optimizer

    def _start(self, model: torch.nn.Module, options: Options) -> None:
        if not isinstance(model, torch.nn.Module):
            raise Error(f"model must be a torch.nn.Module, not a {type(model).__name__}")
        if any(type(module).__name__ == "OptimizedModule" for module in model.modules()):
            raise unsupported("torch.compile hides a model's operations from the engine: give it the model itself, uncompiled, "
                              "and compile the one that serves")
        for name, parameter in model.named_parameters():
            if torch.nn.parameter.is_lazy(parameter):
                raise Error(f"parameter '{name}' has no shape yet: run the lazy module once on made-up rows before")
        if any(type(module).__name__ in _SHARED_OUT for module in model.modules()):
            raise unsupported("the model is wrapped for several processes or devices, which would exchange raw gradients: give "
                              "the engine the model within (model.module), and PrivacyEngine(processes=True)")
        if isinstance(model.__dict__.get("forward"), WatchedForward):
            raise Error("the model has a privacy engine already: engine.detach() first, so that one engine watches it")
        self._model, self._options = model, options
        self._optimizer: Optional[torch.optim.Optimizer] = None
        self._unhook: Callable[[], None] = lambda: None
        self._drawn = self._loss_seen = False
        self._pieces = 1  # a draw's
        self._held: list[torch.Tensor] = []
        self._make_native()
        self._watched = WatchedForward(model, self._watch)
        self._watched.install()

    def _make_native(self) -> None:
        model = self._model
        self._parameters = list(model.parameters())
        self._trained = [(parameter, name) for name, parameter in model.named_parameters() if parameter.requires_grad]
        independent = set(self._options.independent_buffers)
        self._buffers = {name: buffer for name, buffer in model.named_buffers() if name not in independent}
        self._parts = parts_of(model)
        self._engine = native.Engine(list(model.named_parameters()), list(model.named_buffers()),
                                     {**self._options.native(native.default_ledger), "evaluating": Evaluating(model)})

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Checks that the optimizer holds exactly the trained parameters. Once, before the first draw."""
        engine = self._native()
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise Error(f"attach() needs a torch.optim optimizer, not a {type(optimizer).__name__}")
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        engine.attach(held)
        self._optimizer, self._held = optimizer, held
        myself = weakref.ref(self)

        def check() -> None:
            living = myself()
            if living is not None and living._engine is not None:
                living._check_held()
                living._engine.before_step()

        self._unhook = before_each_step(optimizer, check)

    def _check_held(self) -> None:
        assert self._optimizer is not None
        now = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        if len(now) != len(self._held) or not all(map(operator.is_, now, self._held)):
            raise unsupported("the optimizer holds other parameters than when it was attached: those that it was given since "
                              "would learn from raw gradients. Make them part of the model, and a new engine")

    def detach(self) -> None:
        """Gives model and optimizer back as they were; this engine trains no more, and still tells its epsilon()."""
        if self._engine is None or not hasattr(self, "_watched"):
            return
        self._last = {"event": None if self._options.unaccounted else self._engine.event(), "steps": self._engine.steps()}
        self._watched.remove()
        self._unhook()
        self._engine = None

    def accumulate(self, k: int) -> None:
        """Each release's draw comes in k disjoint pieces, one a batch; the optimizer has gradients after the last one
        only. Clip and normaliser refer to the whole draw. The loss is not divided by k. A loader that
        was made before counts its batches otherwise, and is refused: make another."""
        self._native().accumulate(k)
        self._pieces = k

    def loader(self, dataset: Any, draws: Optional[int] = None, *, units: Any = None,
               collate_fn: Optional[Callable[[list[Any]], Any]] = None, keeps_order: bool = False,
               empty: Any = None) -> Loader:
        """Poisson draws for one pass: round(sample_size / batch_size) of them, or `draws`.

        dataset: tensors, a data set with len() and [i], or a DataLoader of one (its own order is not used). units: an
        identifier of the unit of each row, whole numbers. keeps_order: with units and a collate_fn, that row i of its
        batch is item i of its list: one that sorts them would give rows to other units. empty: the batch of an empty draw,
        one row of zeros, where it cannot be made from a batch.
        """
        engine, options = self._native(), self._options
        sampler = getattr(dataset, "batch_sampler", None)
        size = getattr(dataset, "batch_size", None)
        if sampler is not None and size is not None and size != options.batch_size:
            raise Error(f"the DataLoader's batch_size is {size} and the engine's is {options.batch_size}: the engine draws, "
                        "so give both the same")
        source = Source(dataset, collate_fn)
        if units is not None and options.unit == "row":
            raise Error("units are given, and the engine's unit is \"row\": name what they are, as in unit=\"person\"")
        if units is None and options.unit != "row":
            raise Error(f"the engine's unit is {options.unit!r}: give loader(units=), whose row each one is")
        if units is not None and source.collates and not keeps_order:
            raise Error("units and a collate_fn: declare with keeps_order=True that row i of the batch that it makes is item i "
                        "of its list. One that sorts (by length, for packing) would give rows to other units")
        numbers = [] if units is None else numbers_of(units, source.count)
        if draws is not None and (isinstance(draws, bool) or not isinstance(draws, int)):
            raise Error(f"draws must be a whole number, not {draws!r}")
        pieces = engine.pieces(source.count, numbers, draws, source.records)

        myself = weakref.ref(self)  # a loader that lives on keeps no engine
        pieces_of_draw = self._pieces

        def planned() -> bool:
            living = myself()
            if living is not None and living._pieces != pieces_of_draw:
                raise Error("accumulate() came after this loader was made, which counts its batches otherwise: make another, "
                            "engine.loader(dataset)")
            here = None if living is None else living._engine
            return not options.ledger_steps or here is None or here.steps() < options.ledger_steps

        if not planned():
            raise used_up()
        return Loader(pieces, source, planned, empty)

    def _watch(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of the model in training mode."""
        engine, options = self._native(), self._options
        self._check_model()
        rows = engine.handed_out()
        if rows == 0 and options.unaccounted:
            rows = rows_of((args, kwargs), options.batch_dimension)
            engine.hand_in(rows)
        if rows == 0:
            raise unsupported(
                "the model was called in training mode without a new draw: iterate over engine.loader(dataset), not over "
                "another loader, and call the model once for each batch, because each draw is used exactly once; to "
                "evaluate, call model.eval() or use torch.no_grad()")
        made: Union[Call, Outputs]
        if engine.needs_model():
            made = Call(forward, args, kwargs, _numbers(rows), options.batch_dimension, options.grad_mode == "exact_slow",
                        options.row_inputs)
            cut = engine.watch(made.output, made.all_rows)
        else:
            made = Outputs(forward(*args, **kwargs), rows, options.batch_dimension)
            cut = engine.watch_output(made.watched)
        self._check_model()  # what the forward pass made; the engine looked first at what it wrote
        self._drawn = True
        return made.rebuild(cut if self._loss_seen else self._look_at_loss(cut))

    def _look_at_loss(self, cut: torch.Tensor) -> torch.Tensor:
        output = cut.view_as(cut)
        output_node, parameters = output.grad_fn, self._parameters
        declared, myself = self._options.loss_reduction, weakref.ref(self)

        def look(gradient: torch.Tensor) -> None:
            loss = loss_in_progress()
            if loss is not None:
                look_at_loss(loss, declared, output_node, parameters)
            engine = myself()
            if engine is not None:
                engine._loss_seen = True

        output.register_hook(look)  # type: ignore[no-untyped-call]
        return output

    def _check_model(self) -> None:
        """The engine knows tensors, so it has to hear of those that took the place of others."""
        self._check_hooks()
        if native.is_the_same(self._parts):
            return
        now = list(self._model.parameters())
        if len(now) != len(self._parameters) or any(a is not b for a, b in zip(now, self._parameters)):
            known = {id(parameter) for parameter in self._parameters}
            name = next((name for name, parameter in self._model.named_parameters() if id(parameter) not in known), None)
            what = f"parameter '{name}' was added or replaced" if name else "a parameter was taken away"
            raise unsupported(f"{what} after the engine was made: make a new engine")
        buffers = dict(self._model.named_buffers())
        for name, buffer in buffers.items():
            if name not in self._buffers and name not in self._options.independent_buffers:
                self._put_back(name, None)
                raise unsupported(f"buffer '{name}' was made after the engine: the forward pass would carry raw data into the "
                                  "model by it. Make it before, or name it in independent_buffers if what it holds does not "
                                  "depend on the data")
        for name, buffer in self._buffers.items():
            if buffers.get(name) is not buffer:
                self._put_back(name, buffer)
                raise unsupported(f"buffer '{name}' changed during training: it was replaced by another tensor, which "
                                  "would carry raw data into the model. Name it in independent_buffers if its updates "
                                  "do not depend on the data")
        self._parts = parts_of(self._model)

    def _check_hooks(self) -> None:
        for parameter, name in self._trained:
            if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
                raise unsupported(f"a hook is registered on parameter '{name}', and it would not run: clipped sums are made past "
                                  "it. Take it away, and change what the optimizer does instead")

    def _put_back(self, name: str, buffer: Optional[torch.Tensor]) -> None:
        *path, own = name.split(".")
        self._model.get_submodule(".".join(path))._buffers[own] = buffer

    # What a batch shows

    def check(self, criterion: Callable[[Any, Any], torch.Tensor], inputs: Any, targets: Any) -> None:
        """Looks, on one batch of at least 2 rows, for what the engine cannot see at each step: outputs that depend on
        other samples, buffers that change, a loss that is not the declared reduction of per-sample losses.

        inputs: a tensor, a tuple of arguments or a dictionary of named ones. criterion(model's output, targets).
        """
        call = self._call(inputs)
        self._native().check(call.output, self._loss(call, criterion, targets), call.all_rows)

    def plan(self, criterion: Callable[[Any, Any], torch.Tensor], inputs: Any, targets: Any,
             measure: bool = False) -> native.ClipPlan:
        """For each use of each trained parameter the rule, its way, cost and rounding; print(it.table())."""
        call = self._call(inputs)
        return self._native().plan(call.output, self._loss(call, criterion, targets), call.all_rows, measure)

    def _call(self, inputs: Any) -> Call:
        args, kwargs = ((), dict(inputs)) if isinstance(inputs, Mapping) else (
            (tuple(inputs), {}) if isinstance(inputs, (tuple, list)) else ((inputs,), {}))
        batch = self._options.batch_dimension
        return Call(self._watched.plain, args, kwargs, _numbers(rows_of((args, kwargs), batch)), batch,
                    row_inputs=self._options.row_inputs)

    def _loss(self, call: Call, criterion: Callable[[Any, Any], torch.Tensor],
              targets: Any) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        return lambda output, rows: criterion(call.rebuild(output), call.target(targets, rows))

    def weigh(self, weights: torch.Tensor) -> None:
        """How much each unit of the batch that was handed out counts, [units], 0 to max_weight. Before backward()."""
        self._native().weigh(weights)

    def forfeit(self) -> None:
        """Gives up the present draw, where a step was interrupted (Ctrl-C): it is charged, and nothing is released.
        An Error then, where the forward pass that was interrupted had written a parameter: make the model anew."""
        self._native().forfeit()

    # What it costs

    def epsilon(self, delta: float) -> float:
        """Upper bound on epsilon at delta of all steps so far: this run alone, of a length that was fixed beforehand."""
        return float(accounting.epsilon_of(self.event, delta=delta, relation=self._options.relation))

    @property
    def event(self) -> accounting.Event:
        """The mechanism that ran, for an accountant."""
        text = self._engine.event() if self._engine is not None else self._ended()["event"]
        if text is None:
            raise unsupported("unaccounted: nothing was accounted for, so there is no epsilon")
        return accounting.Event.from_json(text)

    @property
    def steps(self) -> int:
        """Releases, those of the runs before this engine included."""
        return int(self._engine.steps() if self._engine is not None else self._ended()["steps"])

    @property
    def noise_multiplier(self) -> float:
        if self._engine is None:
            self._ended()
        return self._options.noise_multiplier

    @property
    def planned_steps(self) -> Optional[int]:
        if self._engine is None:
            self._ended()
        return self._options.ledger_steps or None

    @property
    def max_grad_norm(self) -> float:
        """The clip of the next release."""
        return self._native().max_grad_norm()

    @property
    def gradient_stddev(self) -> float:
        """Standard deviation of the noise in each number of the next released gradient."""
        return self._native().gradient_stddev()

    @property
    def is_private(self) -> bool:
        """False with seed_for_tests, and unaccounted."""
        return self._native().is_private()

    @property
    def ledger_run(self) -> str:
        """Id of the run in the ledger; empty without one."""
        return self._native().ledger_run()

    @property
    def counts(self) -> native.ClipCounts:
        """Units clipped, and units whose gradient was not finite and added nothing. Private: for the owner's eyes."""
        return self._native().counts()

    # Going on later

    def state_dict(self) -> dict[str, Any]:
        """What another engine needs to go on: steps, the clip, the ledger's run. No generator's state is in it, so a
        resumed run draws fresh noise."""
        engine = self._native()
        return {"version": STATE_VERSION, "steps": engine.steps(), "max_grad_norm": engine.max_grad_norm(),
                "ledger_run": engine.ledger_run(), "options": self._options.identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where that engine was; before the first draw, with the same options. With a ledger it goes on behind
        the last step that was charged, which may be later."""
        if self._drawn:
            raise Error("load_state_dict() comes before the first draw")
        if state.get("version") != STATE_VERSION:
            raise Error(f"this state has version {state.get('version')!r}; known is {STATE_VERSION}")
        missing = [name for name in ("options", "steps", "max_grad_norm", "ledger_run") if name not in state]
        if missing:
            raise Error(f"this is no state of an engine: it has no {missing[0]!r}")
        mine = self._options.identity()
        for name, value in state["options"].items():
            if mine.get(name) != value:
                raise Error(f"{name} is {mine.get(name)} here and was {value} in the state: one training has one")
        self._native()
        self._engine = None  # its guards leave the parameters before the next engine's come
        self._options.steps_before = int(state["steps"])
        self._options.max_grad_norm = float(state["max_grad_norm"])
        self._options.ledger_run = str(state["ledger_run"])
        self._make_native()
        if self._optimizer is not None:
            self._native().attach(self._held)

    def _native(self) -> native.Engine:
        if self._engine is None:
            raise Error("this engine has no model: it was detached, or waits for make_private()")
        return self._engine

    def _ended(self) -> dict[str, Any]:
        if not hasattr(self, "_last"):
            raise Error("this engine has no model: it waits for make_private()")
        return self._last


def _numbers(rows: int) -> torch.Tensor:
    return torch.arange(rows, device="cpu")


def passes(batch_size: int, sample_size: float) -> int:
    """Draws of one pass over loader()."""
    return math.floor(sample_size / batch_size + 0.5)

"""The cut between a model and its loss: forward() of an unmodified module, whose outputs become the engine's."""

from __future__ import annotations

import functools
import types
import weakref
from typing import Any, Callable, Optional

import torch

from .errors import Error, unsupported
from .outputs import Outputs, has_rows
from .tree import map_tensors, tensors


class WatchedForward:
    """Takes the place of model.forward. A copy or a pickle of the model has its own, plain forward again."""

    def __init__(self, model: torch.nn.Module, watch: Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]],
                                                               Any]) -> None:
        self.plain: Callable[..., Any] = model.forward
        self._model = model
        self._watch = watch
        self._own = "forward" in model.__dict__
        functools.update_wrapper(self, self.plain)  # signature and words

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (self._model.training and torch.is_grad_enabled()):
            return self.plain(*args, **kwargs)
        return self._watch(self.plain, args, kwargs)

    def install(self) -> None:
        self._model.forward = self

    def remove(self) -> None:
        if self._own:
            self._model.forward = self.plain
        else:
            del self._model.__dict__["forward"]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return plain_forward(memo[id(self._model)])

    def __reduce__(self) -> tuple[Any, ...]:
        return plain_forward, (self._model,)


def plain_forward(model: torch.nn.Module) -> Any:
    return types.MethodType(type(model).forward, model)


class Evaluating:
    """Puts the modules of a model into evaluation mode and, when called with False, each back to what it was.

    The engine in C++ has it, where Python's garbage collector does not see what it holds: so it keeps no model alive.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = weakref.ref(model)
        self._before: list[tuple[torch.nn.Module, bool]] = []

    def __call__(self, on: bool) -> None:
        model = self._model()
        if on and model is not None:
            self._before = [(module, module.training) for module in model.modules()]
        try:
            self._set(on)
        except BaseException:  # Ctrl-C; no module stays as it should not be
            self._set(False)
            raise
        if not on:
            self._before = []

    def _set(self, on: bool) -> None:
        for module, training in self._before:
            module.training = training and not on


class Call:
    """One call of a model: of the whole batch, or of rows of it that the engine chooses.

    batch: the dimension of inputs and outputs that is the rows. row_inputs: numbers or names of the inputs that have
    them, tensors or lists, each with its dimension; None: all that have so many. Others go to every call as they are.
    """

    def __init__(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], all_rows: torch.Tensor,
                 batch: int, apart: bool = False, row_inputs: Optional[dict[str, int]] = None) -> None:
        self._row_inputs = row_inputs
        if apart:
            self._check_apart((args, kwargs))
        self.all_rows = all_rows
        self._forward, self._inputs = forward, (args, kwargs)
        self._rows, self._batch, self._apart = all_rows.numel(), batch, apart
        self._outputs: Optional[Outputs] = None  # of the latest rows

    def output(self, chosen: torch.Tensor) -> torch.Tensor:
        """What is watched when the model is called with these rows, int64 [rows], in one tensor."""
        self._outputs = None  # with its graph, before there is another
        everything = chosen.numel() == self._rows and chosen.data_ptr() == self.all_rows.data_ptr()
        if everything:
            args, kwargs = self._inputs
            result = self._forward(*args, **kwargs)
        else:
            result = self._of_chosen(chosen)
        self._outputs = Outputs(result, chosen.numel(), self._batch, self._apart)
        return self._outputs.watched

    def rebuild(self, cut: torch.Tensor) -> Any:
        """The model's result for the latest rows with every watched tensor taken from the cut."""
        assert self._outputs is not None
        return self._outputs.rebuild(cut)

    def target(self, targets: Any, chosen: torch.Tensor) -> Any:
        """Rows of what a loss compares with; the rows are its first dimension."""
        return map_tensors(targets, lambda tensor, path: tensor.index_select(0, chosen.to(tensor.device)))

    def _of_chosen(self, chosen: torch.Tensor) -> Any:
        args, kwargs = self._choose(chosen)
        try:
            return self._forward(*args, **kwargs)
        except Exception as error:
            if isinstance(error, Error) or chosen.numel() == self._rows:
                raise
            raise unsupported(
                f"the model could not be called with {chosen.numel()} of the {self._rows} rows ({type(error).__name__}): an input "
                f"that has a row for each sample, but not in dimension {self._batch}? Name them all, each with its dimension, as "
                "in PrivacyEngine(row_inputs={0: 0, \"hidden\": 1}); or set check_first_batch=False where you know that no "
                "output depends on other rows") from error

    def _choose(self, chosen: torch.Tensor) -> Any:
        replaced = chosen != self.all_rows if chosen.numel() == self._rows else torch.zeros(0, dtype=torch.bool)
        count = 0

        def pick(tensor: torch.Tensor, path: str) -> torch.Tensor:
            nonlocal count
            name = path.split(".")[0]
            dimension = self._batch if self._row_inputs is None else self._row_inputs[name]
            if not has_rows(tensor, self._rows, dimension):
                if self._row_inputs is None:
                    return tensor
                raise Error(f"row_inputs names input '{name}', and a tensor of it has no {self._rows} rows in "
                            f"its dimension {dimension}: it is {list(tensor.shape)}")
            count += 1
            picked = tensor.index_select(dimension, chosen.to(tensor.device))
            if tensor.is_floating_point() and bool(replaced.any()):  # something else of the same kind
                other = replaced.to(tensor.device).view([-1] + [1] * (tensor.dim() - dimension - 1))
                picked = torch.where(other, picked * -1.5 + 0.25, picked)
            return picked

        def choose(value: Any, name: str) -> Any:
            if self._row_inputs is not None and name not in self._row_inputs:
                return value
            if _holds_items(value) and not tensors(value):  # lengths, words
                if len(value) == self._rows:
                    items = [value[i] for i in chosen.tolist()]
                    return items if isinstance(value, list) else tuple(items)
                if self._row_inputs is not None:
                    raise Error(f"row_inputs names input '{name}', which is a list of {len(value)} and not of {self._rows} rows")
            return map_tensors(value, pick, name)

        args, kwargs = self._inputs
        if self._row_inputs is not None:
            given = {*map(str, range(len(args))), *kwargs}
            for name in self._row_inputs:
                if name not in given:
                    raise Error(f"row_inputs names input '{name}', and the model was called without it: positional inputs have "
                                "numbers, from 0, and named ones their names")
        inputs = (tuple(choose(value, str(i)) for i, value in enumerate(args)),
                  {name: choose(value, name) for name, value in kwargs.items()})
        if count == 0:
            raise unsupported(f"no input of the model is a tensor with {self._rows} rows in its dimension {self._batch}, so "
                              "rows cannot be looked at one by one: set batch_dimension, or check_first_batch=False "
                              "where you know that no output depends on other rows")
        return inputs

    def _check_apart(self, inputs: Any) -> None:
        """Whether one can tell, for every unit by itself, which inputs are its own."""
        if self._row_inputs is not None:
            return
        if len(tensors(inputs)) > 1 or any(_holds_items(value) for value in (*inputs[0], *inputs[1].values())):
            raise Error("grad_mode 'exact_slow' runs the model on each unit, and more than one tensor goes in: name the inputs "
                        "that have a row for each sample, PrivacyEngine(row_inputs=[0, \"lengths\"]), because a number of rows "
                        "can be the same by chance. The others go to every unit as they are")


def rows_of(inputs: Any, batch: int) -> int:
    """Rows of a batch that nobody counted: those of its first tensor."""
    for _, tensor in tensors(inputs):
        if tensor.dim() > batch:
            return tensor.size(batch)
    raise Error("the model was called without a tensor of rows")


def _holds_items(value: Any) -> bool:
    """A list of what is no tensor: perhaps one for each sample."""
    return isinstance(value, (list, tuple)) and any(not isinstance(item, torch.Tensor) for item in value)

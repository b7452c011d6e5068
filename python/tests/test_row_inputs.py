"""Which inputs of a model have a row for each sample, in which dimension: what one unit, or half of the batch, is made of."""
import copy

import pytest
import torch
from torch import nn

from judge import unaccounted
from test_misuse import refused

ROWS = 8


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x, mask):
        return self.layer(torch.softmax(mask.expand(len(x), -1, -1), -1) @ x).mean(1)


def test_a_mask_with_as_many_rows_as_the_batch():
    x, mask = torch.randn(ROWS, ROWS, 6), torch.randn(ROWS, ROWS)
    model = Masked()
    unaccounted(model, batch_size=ROWS, clip=1e9, grad_mode="exact_slow")
    with refused("row_inputs"):
        model(x, mask)
    sums = []
    for mode in ("graph", "exact_slow"):
        model = Masked()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(0.3)
        unaccounted(model, batch_size=ROWS, clip=1e9, grad_mode=mode, row_inputs=[0],
                    loss_reduction="sum")
        model(x, mask).square().sum().backward()
        sums.append(model.layer.weight.grad)
    assert torch.allclose(*sums, rtol=1e-4)


def test_row_inputs_by_name():
    x, mask = torch.randn(ROWS, 4, 6), torch.randn(4, 4)
    model = Masked()
    unaccounted(model, batch_size=ROWS, clip=1.0, grad_mode="exact_slow", row_inputs=["x", "mask"])
    with refused("row_inputs names input 'mask'.* no 8 rows"):
        model(x=x, mask=mask)


class Packs(nn.Module):
    """Its second input is a list, or its rows are the second dimension of the state that it starts from."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x, lengths=None, state=None):
        if lengths is not None:
            x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.layer(x, None if state is None else (state, torch.zeros_like(state)))
        return self.head(last[0])


@pytest.mark.parametrize("mode", ["graph", "exact_slow"])
@pytest.mark.parametrize("named", [True, False])
def test_a_list_of_lengths(mode, named):
    torch.manual_seed(1)
    model, x, lengths = Packs(), torch.randn(ROWS, 4, 6), [4, 3, 1, 2, 4, 1, 2, 3]
    plain = copy.deepcopy(model)
    unaccounted(model, batch_size=ROWS, clip=0.01, loss_reduction="sum", grad_mode=mode,
                row_inputs=[0, "lengths"] if named or mode == "exact_slow" else None)
    model(x, lengths=lengths).square().sum().backward()
    sums = [torch.zeros_like(p) for p in plain.parameters()]
    for i in range(ROWS):
        gradients = torch.autograd.grad(plain(x[i:i + 1], lengths=lengths[i:i + 1]).square().sum(), list(plain.parameters()))
        norm = sum(g.square().sum() for g in gradients).sqrt()
        for total, gradient in zip(sums, gradients):
            total += gradient * (0.01 / norm).clamp(max=1) / ROWS
    for parameter, expected in zip(model.parameters(), sums):
        assert torch.allclose(parameter.grad, expected, rtol=1e-3, atol=1e-6)


def test_rows_in_another_dimension():
    x, state = torch.randn(ROWS, 4, 6), torch.randn(1, ROWS, 5)
    released = []
    for options in ({"row_inputs": {0: 0, "state": 1}}, {"row_inputs": {0: 0, "state": 1}, "grad_mode": "exact_slow"},
                    {"check_first_batch": False}):
        torch.manual_seed(1)
        model = Packs()
        unaccounted(model, batch_size=ROWS, clip=0.01, loss_reduction="sum", **options)
        model(x, state=state).square().sum().backward()
        released.append(model.head.weight.grad)
    assert torch.allclose(released[0], released[1], rtol=1e-3) and torch.allclose(released[0], released[2], rtol=1e-3)
    model = Packs()
    unaccounted(model, batch_size=ROWS, clip=0.01)
    with refused("could not be called with .* of the 8 rows .*row_inputs"):
        model(x, state=state)


@pytest.mark.parametrize("inputs, words", [
    ([0, "length"], "names input 'length', and the model was called without it"), ({0: -1}, "dimension of input 0"),
    ("x", "must be a list"), ([0, "lengths"], "a list of 7 and not of 8 rows")])
def test_row_inputs_that_are_none(inputs, words):
    model = Packs()
    with refused(words):
        unaccounted(model, batch_size=ROWS, clip=0.01, grad_mode="exact_slow", row_inputs=inputs)
        model(torch.randn(ROWS, 4, 6), lengths=[1] * 7)

"""What the first batch shows: an output that depends on other rows, on how many there are, or on a row's place."""
import copy
import weakref

import pytest
import torch
from torch import nn

from judge import unaccounted
from models import mlp
from test_misuse import refused
from test_ways_in import ROWS, trained_once


class Positions(nn.Module):
    """Adds its table along the batch, as a model for time-first inputs does."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.register_buffer("table", torch.randn(64, 1, 6))
        self.layer, self.dropout = nn.Linear(6, 3), nn.Dropout(dropout)

    def forward(self, x):
        return self.layer(self.dropout(x + self.table[:x.size(0)])).mean(1)


class Divides(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.layer, self.how = nn.Linear(6, 3), how

    def forward(self, x):
        if self.how == "rows":
            return self.layer(x) / x.shape[0]
        if self.how == "largest":
            return self.layer(x / x.abs().amax())
        return self.layer(x) * (x[:, :1] >= x[:, 0].detach().topk(max(1, len(x) // 4)).values[-1])


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_table_of_positions_along_the_batch(dropout):
    with refused("another output when it is among rows"):
        trained_once(Positions(dropout), torch.randn(ROWS, 4, 6))


@pytest.mark.parametrize("how", ["rows", "largest", "best"])
@pytest.mark.parametrize("rows", [8, 256])
def test_an_output_that_depends_on_how_many_or_which_others_there_are(how, rows):
    x = torch.randn(rows, 6)
    x[:, 0] = torch.linspace(-1, 1, rows)  # the best are all in one half
    x[rows // 3, 1:] *= 20
    with refused("another output when it is among rows|moves the output of row"):
        trained_once(Divides(how), x)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_and_lengths_pass(dropout):
    class Cuts(nn.Module):
        """Gives as many positions as the longest row has."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Sequential(nn.Linear(6, 8), nn.Dropout(dropout), nn.Linear(8, 3))

        def forward(self, x, lengths):
            longest = int(lengths.max()) if not dropout else x.size(1)  # which numbers are dropped goes by the shape
            mask = torch.arange(longest) < lengths.unsqueeze(1)
            return self.layer(x[:, :longest]) * mask.unsqueeze(-1)

    model = Cuts()
    unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=True, loss_reduction="sum")
    modes = [module.training for module in model.modules()]
    model(torch.randn(ROWS, 10, 6), torch.arange(2, ROWS + 2)).sum().backward()
    assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize("mixes", ["mean", "norm"])
def test_a_head_of_zeros_hides_nothing(mixes):
    class Mixes(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(6, affine=False, track_running_stats=False)
            self.head = nn.Linear(6, 3)
            nn.init.zeros_(self.head.weight)

        def forward(self, x):
            return self.head(x - x.mean(0) if mixes == "mean" else self.norm(x))

    model = Mixes()
    with refused("mixes samples|another output when it is among rows"):
        trained_once(model, torch.randn(ROWS, 6))
    assert not model.head.weight.any()


def test_a_head_of_zeros_is_zero_again():
    model = mlp()
    nn.init.zeros_(model[2].weight)
    engine = unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=True, loss_reduction="sum")
    before = copy.deepcopy(model.state_dict())
    model(torch.randn(ROWS, 6)).sum().backward()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert engine.counts.units == ROWS and not model[0].weight.grad.any()


def test_autocast_as_it_is_documented():
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=True, loss_reduction="sum")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(torch.randn(ROWS, 6)).float().sum().backward()
    assert model[0].weight.grad.any()


def test_parameters_of_sixteen_bits_later():
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=False)
    model.bfloat16()
    with refused("'0.weight' is neither float nor double any more"):
        model(torch.randn(ROWS, 6, dtype=torch.bfloat16))


def test_a_model_that_answers_otherwise_in_evaluation_mode():
    class Answers(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.dropout = nn.Linear(6, 3), nn.Dropout(0.5)

        def forward(self, x):
            scores = self.layer(self.dropout(x))
            return scores if self.training else scores.argmax(1)

    model = Answers()
    trained_once(model, torch.randn(ROWS, 6))
    assert model.training and model.dropout.training


@pytest.mark.parametrize("back", [False, True])
def test_an_interrupt_on_the_way_into_evaluation_mode_and_back(back):
    class Interrupted(nn.Dropout):
        def __setattr__(self, name, value):
            before = self.__dict__.get(name)
            super().__setattr__(name, value)
            if name == "training" and before not in (None, value) and value == back and not came:
                came.append(value)
                raise KeyboardInterrupt

    came = []
    model = nn.Sequential(nn.Dropout(0.1), nn.Linear(6, 3), Interrupted(0.1), nn.Dropout(0.1))
    with pytest.raises(KeyboardInterrupt):
        trained_once(model, torch.randn(ROWS, 6))
    assert came and all(module.training for module in model.modules())


def test_a_batch_too_small_to_be_compared_in_halves_is_not_the_last_one_looked_at():
    model = Divides("rows")
    unaccounted(model, batch_size=ROWS, clip=1.0)
    for rows in (1, 2, 3):
        model(torch.randn(rows, 6)).mean().backward()
    with refused("another output when it is among rows"):
        model(torch.randn(ROWS, 6))


@pytest.mark.parametrize("gain", [0.0, 1e-6])
def test_statistics_behind_a_small_gain(gain):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.gain = nn.Linear(6, 6), nn.Parameter(torch.full((6,), gain))

        def forward(self, x):
            return self.layer(x) + self.gain * (x - x.mean(0)).detach()

    model = Scaled()
    with refused("the model mixes samples"):
        trained_once(model, torch.randn(ROWS, 6))
    assert torch.equal(model.gain, torch.full((6,), gain))


def test_what_a_look_gave_is_let_go_before_the_next():
    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.last, self.with_graph = nn.Linear(6, 3), None, 0

        def forward(self, x):
            assert self.last is None or self.last() is None, "two graphs at once"
            out = self.layer(x)
            self.last = weakref.ref(out) if out.grad_fn is not None else None
            self.with_graph += out.grad_fn is not None
            return out

    model = Remembers()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    model(torch.randn(ROWS, 6)).mean().backward()
    assert model.with_graph > 1

"""Draws: Poisson, each consumed exactly once, of any data set."""
import itertools
import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import discreet
from models import mlp


def private(model, *, batch_size=8, sample_size=40, **options):
    options = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "seed_for_tests": 5, **options}
    engine = discreet.PrivacyEngine(model, batch_size=batch_size, sample_size=sample_size, **options)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    engine.attach(optimizer)
    return engine, optimizer


def use(model, x, y):
    nn.functional.cross_entropy(model(x), y).backward()


class Items(Dataset):
    """A map-style data set, in dictionaries."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return self.rows

    def __getitem__(self, i):
        return {"x": torch.full((6,), float(i)), "y": i % 3, "name": f"row {i}"}


def data(rows=40):
    return TensorDataset(torch.arange(rows).float().unsqueeze(1).expand(-1, 6).contiguous(), torch.arange(rows) % 3)


def test_a_pass_has_the_expected_number_of_draws():
    model = mlp()
    engine, optimizer = private(model)
    loader = engine.loader(data())
    assert len(loader) == 5
    for _ in range(2):
        count = 0
        for x, y in loader:
            optimizer.zero_grad()
            use(model, x, y)
            optimizer.step()
            count += 1
        assert count == 5
    assert engine.steps == 10


def test_a_pass_that_is_counted_out_is_followed_by_a_whole_one():
    """As Lightning does: it takes len(loader) batches and does not ask for more."""
    model = mlp()
    engine, _ = private(model)
    loader = engine.loader(data())
    for finished in (5, 10, 15):
        for x, y in itertools.islice(loader, len(loader)):
            use(model, x, y)
        assert engine.steps == finished


def test_rows_are_drawn_independently():
    """Each row's count in 400 draws is binomial (400, 0.2): all 40 within 5.5 deviations, and the sizes vary as a Poisson
    sample's do. False-alarm rate below 1e-5 for a free seed; the seed is fixed."""
    model = mlp()
    engine, _ = private(model)
    counts, sizes = torch.zeros(40), []
    for x, y in engine.loader(data(), draws=400):
        if not (len(x) == 1 and x.abs().sum() == 0):
            counts += torch.bincount(x[:, 0].long(), minlength=40)
        sizes.append(len(x))
        use(model, x, y)
    deviation = math.sqrt(400 * 0.2 * 0.8)
    assert float((counts - 80).abs().max()) < 5.5 * deviation
    variance = float(torch.tensor(sizes, dtype=torch.float64).var())
    assert 0.6 * 40 * 0.16 < variance < 1.6 * 40 * 0.16


def test_an_empty_draw_is_a_row_of_nobody_and_its_release_is_noise():
    model = mlp()
    engine, optimizer = private(model, batch_size=1, sample_size=10_000, noise_multiplier=2.0)
    empty = 0
    for x, y in engine.loader(data(3), draws=20):  # a rate of 1 / 10,000: nearly every draw is empty
        optimizer.zero_grad()
        if x.abs().sum() == 0 and len(x) == 1:
            empty += 1
        use(model, x, y)
        assert float(model[0].weight.grad.abs().max()) > 0
        optimizer.step()
    assert empty >= 19 and engine.steps == 20 and engine.counts.units <= 1


@pytest.mark.parametrize("kind", ["tensors", "dictionary of tensors", "items", "DataLoader", "collated"])
def test_data_sets(kind):
    model = mlp()
    engine, optimizer = private(model)
    x, y = data().tensors
    source, options = {
        "tensors": ((x, y), {}),
        "dictionary of tensors": ({"x": x, "y": y}, {}),
        "items": (Items(40), {}),
        "DataLoader": (DataLoader(Items(40), batch_size=8, shuffle=True), {}),
        "collated": (Items(40), {"collate_fn": lambda items: (torch.stack([i["x"] for i in items]),
                                                              torch.tensor([i["y"] for i in items]))}),
    }[kind]
    for batch in engine.loader(source, draws=6, **options):
        bx, by = (batch["x"], batch["y"]) if isinstance(batch, dict) else batch
        assert torch.equal(bx[:, 0].long() % 3, by)  # a row stays together with its target
        optimizer.zero_grad()
        use(model, bx, by)
        optimizer.step()
    assert engine.steps == 6


def test_words_of_a_record_do_not_reach_an_empty_draw():
    model = mlp()
    engine, _ = private(model, batch_size=1, sample_size=1e6)
    batch = next(iter(engine.loader(Items(4))))
    assert batch["name"] == [""] and batch["x"].abs().sum() == 0


def test_units_are_drawn_whole():
    model = mlp()
    engine, _ = private(model, unit="person", sample_size=10, batch_size=2)
    units = [i // 4 for i in range(40)]
    for x, y in engine.loader(data(), draws=12, units=units):
        if x.abs().sum() > 0:
            drawn = torch.bincount(x[:, 0].long() // 4, minlength=10)
            assert set(drawn.tolist()) <= {0, 4}
        use(model, x, y)


def test_a_unit_of_several_rows_has_one_norm():
    torch.manual_seed(0)
    model = nn.Linear(6, 1, bias=False)
    x = torch.randn(6, 6)
    clip, batch_size = 0.5, 3
    engine = discreet.PrivacyEngine(model, batch_size=batch_size, sample_size=batch_size, noise_multiplier=0,
                                    max_grad_norm=clip, loss_reduction="sum", unit="person", unaccounted=True)
    engine.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    (rows,) = next(iter(engine.loader((x,), units=[0, 1, 2, 0, 1, 2])))  # a rate of 1: all of them
    model(rows).sum().backward()
    expected = torch.zeros(6)
    for unit in range(3):
        gradient = x[[unit, unit + 3]].sum(0)
        expected += gradient * min(1, clip / float(gradient.norm()))
    assert torch.allclose(model.weight.grad[0], expected / batch_size, atol=1e-6)


def test_pieces_of_a_draw():
    model = mlp()
    engine, optimizer = private(model)
    engine.accumulate(2)
    loader = engine.loader(data(), draws=3)
    assert len(loader) == 6
    before = model[0].weight.clone()
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        use(model, x, y)
        optimizer.step()
        if i == 0:
            assert torch.equal(before, model[0].weight)
    assert engine.steps == 3


REFUSED = {
    "no rows by number": (lambda: type("Stream", (IterableDataset,), {"__iter__": lambda self: iter([])})(), {}, "IterableDataset"),
    "no data set": (lambda: 7, {}, "loader() needs"),
    "tensors that do not fit": (lambda: (torch.zeros(3, 6), torch.zeros(4)), {}, "same number of rows"),
    "units unnamed": (data, {"units": [0] * 40}, "name what they are"),
    "another batch size": (lambda: DataLoader(data(), batch_size=4), {}, "batch_size is 4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, options, words = REFUSED[name]
    engine, _ = private(mlp())
    with pytest.raises(discreet.Error) as error:
        engine.loader(make(), **options)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_what_cannot_be_made_nobodys_is_refused():
    class Odd(Items):
        def __getitem__(self, i):
            return {"x": torch.zeros(6), "odd": object()}

    engine, _ = private(mlp(), batch_size=1, sample_size=1e9)
    loader = engine.loader(Odd(4), collate_fn=lambda items: {"x": torch.stack([i["x"] for i in items]), "odd": items[0]["odd"]})
    with pytest.raises(discreet.Error, match="batch of nobody"):
        next(iter(loader))

"""The clipped sum of unmodified models, equal to gradients of one row at a time."""
import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import discreet
from judge import assert_released, one_at_a_time, unaccounted
from models import Attention, Named, Several, Text, Tied, TimeFirst, cnn, mlp

ROWS, CLASSES = 7, 3
CASES = {
    "mlp": lambda: (mlp(), torch.randn(ROWS, 6)),
    "cnn": lambda: (cnn(CLASSES), torch.randn(ROWS, 3, 8, 8)),
    "lstm": lambda: (Text(nn.LSTM), torch.randint(20, (ROWS, 6))),
    "gru": lambda: (Text(nn.GRU), torch.randint(20, (ROWS, 6))),
    "attention": lambda: (Attention(), torch.randn(ROWS, 5, 8)),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(3)


# Where the first batch was looked at, the engine is handed outputs and calls no model: as without a look.
@pytest.mark.parametrize("reduction, look", [("mean", True), ("sum", False)])
@pytest.mark.parametrize("name", CASES)
def test_released_is_the_clipped_sum(name, reduction, look):
    model, x = CASES[name]()
    y = torch.randint(CLASSES, (ROWS,))
    clip = 0.3
    expected = one_at_a_time(model, (x,), lambda out, i: F.cross_entropy(out, y[i:i + 1]), clip=clip, batch_size=5)
    unaccounted(model, batch_size=5, clip=clip, loss_reduction=reduction, check_first_batch=look)
    F.cross_entropy(model(x), y, reduction=reduction).backward()
    assert_released(model, expected)


@pytest.mark.parametrize("mode", ["graph", "exact_slow"])
def test_tied_weights_and_a_target_for_each_position(mode):
    model, tokens = Tied(), torch.randint(11, (ROWS, 4))
    y = torch.randint(11, (ROWS, 4))
    expected = one_at_a_time(model, (tokens,), lambda out, i: F.cross_entropy(out.flatten(0, 1), y[i]), clip=0.5, batch_size=4)
    unaccounted(model, batch_size=4, clip=0.5, grad_mode=mode)
    F.cross_entropy(model(tokens).flatten(0, 1), y.flatten()).backward()
    assert_released(model, expected)


@pytest.mark.parametrize("look", [True, False])
@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "dataclass", "pair", "with numbers", "twice"])
def test_every_output_is_watched(kind, look):
    model, x = Several(kind), torch.randn(ROWS, 6)

    def parts(out):
        if kind in ("dict", "dataclass"):
            return (out["a"], out["b"]) if kind == "dict" else (out.logits, out.hidden)
        return (out[0], out[1][0]) if kind == "list" else (out[0], out[1])

    def loss(out):
        first, second = parts(out)
        return first.square().sum(1) + second.flatten(1).sin().sum(1)

    expected = one_at_a_time(model, (x,), lambda out, i: loss(out).sum(), clip=0.7, batch_size=ROWS)
    unaccounted(model, batch_size=ROWS, clip=0.7, check_first_batch=look)
    out = model(x)
    assert type(out) is type(Several(kind)(x))
    if kind == "dataclass":
        assert out.note == "kept"
    if kind == "with numbers":
        assert torch.equal(out[2], x.argmax(1))
    if kind == "twice":
        assert torch.equal(out[0], out[2])
    loss(out).mean().backward()
    assert_released(model, expected)


@pytest.mark.parametrize("mode", ["graph", "exact_slow"])
def test_arguments_by_name(mode):
    model = Named()
    inputs = {"x": torch.randn(ROWS, 4, 5), "mask": torch.rand(ROWS, 4)}
    expected = one_at_a_time(model, inputs, lambda out, i: out.square().sum(), clip=0.4, batch_size=ROWS)
    unaccounted(model, batch_size=ROWS, clip=0.4, loss_reduction="sum", grad_mode=mode, row_inputs=[0, "mask"])
    model(inputs["x"], mask=inputs["mask"]).square().sum().backward()
    assert_released(model, expected)


@pytest.mark.parametrize("look", [True, False])
def test_time_first(look):
    model, x = TimeFirst(), torch.randn(5, ROWS, 4)
    expected = one_at_a_time(model, (x,), lambda out, i: out.square().sum(), clip=0.4, batch_size=ROWS, batch=1)
    unaccounted(model, batch_size=ROWS, clip=0.4, loss_reduction="sum", batch_dimension=1, check_first_batch=look)
    model(x).square().sum().backward()
    assert_released(model, expected)


def test_a_model_is_called_once_for_each_batch_after_the_first():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.calls = nn.Linear(6, 3), 0

        def forward(self, x):
            self.calls += 1
            return self.layer(x)

    model, x = Counting(), torch.randn(ROWS, 6)
    unaccounted(model, batch_size=ROWS, clip=1.0)
    for _ in range(3):
        before = model.calls
        model(x).mean().backward()
    assert model.calls == before + 1 and before > 2


@pytest.mark.parametrize("way", ["ghost", "direct"])
def test_both_ways_to_the_norms(way):
    model, x = cnn(), torch.randn(ROWS, 3, 8, 8)
    expected = one_at_a_time(model, (x,), lambda out, i: out.square().sum(), clip=0.4, batch_size=ROWS)
    unaccounted(model, batch_size=ROWS, clip=0.4, loss_reduction="sum", norm_way=way)
    model(x).square().sum().backward()
    assert_released(model, expected)


def test_clipping_by_groups_of_parameters():
    model, x = mlp(), torch.randn(ROWS, 6)
    norms = {"0": 0.3, "2": 0.4}
    expected = []
    for prefix, norm in norms.items():
        for q in model.parameters():
            q.requires_grad_(False)
        part = [p for n, p in model.named_parameters() if n.startswith(prefix)]
        for p in part:
            p.requires_grad_(True)
        expected += one_at_a_time(model, (x,), lambda out, i: out.square().sum(), clip=norm, batch_size=ROWS)
    for p in model.parameters():
        p.requires_grad_(True)
    unaccounted(model, batch_size=ROWS, clip=0.5, loss_reduction="sum", clipping=norms)
    model(x).square().sum().backward()
    assert_released(model, expected)


def test_frozen_parameters_stay_out():
    model, x = mlp(), torch.randn(ROWS, 6)
    model[0].weight.requires_grad_(False)
    expected = one_at_a_time(model, (x,), lambda out, i: out.square().sum(), clip=0.4, batch_size=ROWS)
    unaccounted(model, batch_size=ROWS, clip=0.4, loss_reduction="sum")
    model(x).square().sum().backward()
    assert model[0].weight.grad is None
    assert_released(model, expected)


def test_weights_of_units():
    model, x = mlp(), torch.randn(ROWS, 6)
    weights = torch.linspace(0, 1, ROWS)
    clip = 0.3
    single = [one_at_a_time(model, (x[i:i + 1],), lambda out, j: out.square().sum(), clip=clip, batch_size=ROWS)
              for i in range(ROWS)]
    expected = [sum(w * g for w, g in zip(weights.tolist(), parts)) for parts in zip(*single)]
    engine = unaccounted(model, batch_size=ROWS, clip=clip, loss_reduction="sum")
    out = model(x)
    engine.weigh(weights)
    out.square().sum().backward()
    assert_released(model, expected)


def test_pieces_of_one_draw_are_one_release():
    model, x = mlp(), torch.randn(ROWS, 6)
    expected = one_at_a_time(model, (x,), lambda out, i: out.square().sum(), clip=0.4, batch_size=ROWS)
    engine = unaccounted(model, batch_size=ROWS, clip=0.4, loss_reduction="sum")
    engine.accumulate(3)
    for begin, end in ((0, 2), (2, 3), (3, ROWS)):
        assert model[0].weight.grad is None
        model(x[begin:end]).square().sum().backward()
    assert_released(model, expected)
    assert engine.steps == 1


def test_memory_of_released_gradients_is_used_again_but_not_while_held():
    model, y = mlp(), torch.randint(CLASSES, (ROWS,))
    engine = discreet.PrivacyEngine(model, batch_size=ROWS, sample_size=70, noise_multiplier=1.0, unaccounted=True)
    engine.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    parameters, places, kept, values = list(model.parameters()), [], [], []
    for step in range(6):
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(torch.randn(ROWS, 6)), y).backward()
        places.append([p.grad.data_ptr() for p in parameters])
        if step >= 3:
            kept += [p.grad if step % 2 else p.grad.detach() for p in parameters]
            values += [p.grad.clone() for p in parameters]
    assert places[0] == places[1] == places[2] == places[3]
    assert len({place for step in places[3:] for place in step}) == 3 * len(parameters)
    assert all(torch.equal(*pair) for pair in zip(kept, values))


def test_step_is_the_optimizers_own():
    """SGD with momentum, weight decay and two groups, by hand."""
    model, x = mlp(), torch.randn(ROWS, 6)
    twin = copy.deepcopy(model)

    def optimizer_of(m):
        return torch.optim.SGD([{"params": m[0].parameters(), "lr": 0.2}, {"params": m[2].parameters()}], lr=0.1,
                               momentum=0.9, weight_decay=0.01)

    optimizer, by_hand = optimizer_of(model), optimizer_of(twin)
    engine = discreet.PrivacyEngine(model, batch_size=ROWS, sample_size=70, noise_multiplier=0, max_grad_norm=0.4,
                                    loss_reduction="sum", unaccounted=True)
    engine.attach(optimizer)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for step in range(3):
        gradients = one_at_a_time(twin, (x,), lambda out, i: out.square().sum(), clip=0.4, batch_size=ROWS)
        for p, g in zip(twin.parameters(), gradients):
            p.grad = g.to(p.dtype)
        for group, rate in zip(by_hand.param_groups, (0.2, 0.1)):
            group["lr"] = rate * 0.5 ** step
        by_hand.step()
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        scheduler.step()
    for a, b in zip(model.parameters(), twin.parameters()):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_evaluation_is_untouched():
    model, x = mlp(), torch.randn(ROWS, 6)
    before = model(x).detach()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    with torch.no_grad():
        assert torch.equal(model(x), before)
    model.eval()
    assert torch.equal(model(x), before)


def test_copies_and_pickles_of_the_model_are_plain():
    model, x = mlp(), torch.randn(ROWS, 6)
    before = model(x).detach()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(1)
        out = other(x)  # in training mode, without an engine, of its own weights
        assert torch.equal(out, before)
        out.sum().backward()
        assert other[0].weight.grad is not None and model[0].weight.grad is None
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(1)
    assert list(model.state_dict()) == list(mlp().state_dict())


def test_detach_gives_the_model_back():
    model, x = mlp(), torch.randn(ROWS, 6)
    engine = unaccounted(model, batch_size=ROWS, clip=1.0)
    model(x).mean().backward()
    engine.detach()
    assert "forward" not in model.__dict__ and engine.steps == 1
    model.zero_grad()
    model(x).mean().backward()  # plain again: no guard
    expected = torch.autograd.grad(model(x).mean(), model[0].weight)[0]
    assert torch.allclose(model[0].weight.grad, expected)


def test_an_engine_that_was_not_detached_is_freed_with_its_model():
    model, x = mlp(), torch.randn(ROWS, 6)
    engine = unaccounted(model, batch_size=ROWS, clip=1.0)
    model(x).mean().backward()
    left = [weakref.ref(engine), weakref.ref(model), weakref.ref(model[0].weight)]
    del engine, model
    gc.collect()
    assert [reference() for reference in left] == [None, None, None]


def test_noise_has_the_stated_deviation():
    """False-alarm rate below 1e-6: the sum of squares of 20,000 normal numbers, within 5 standard deviations."""
    model = nn.Linear(2000, 10, bias=False)
    engine = discreet.PrivacyEngine(model, batch_size=4, sample_size=40, noise_multiplier=1.5, max_grad_norm=2.0,
                                    loss_reduction="sum", unaccounted=True)
    engine.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    model(torch.zeros(4, 2000)).sum().backward()  # no gradient at all: what is released is noise
    noise = model.weight.grad.double()
    deviation = 1.5 * 2.0 / 4
    assert engine.gradient_stddev == pytest.approx(deviation, rel=2e-3)
    ratio = float(noise.square().sum() / (noise.numel() * engine.gradient_stddev ** 2))
    assert abs(ratio - 1) < 5 * (2 / noise.numel()) ** 0.5
    assert abs(float(noise.mean())) < 5 * deviation / noise.numel() ** 0.5


def test_plan_says_how():
    model, x = cnn(), torch.randn(ROWS, 3, 8, 8)
    engine = unaccounted(model, batch_size=ROWS, clip=0.4)
    plan = engine.plan(F.cross_entropy, x, torch.randint(4, (ROWS,)))
    assert {entry.parameter for entry in plan.entries} == {name for name, _ in model.named_parameters()}
    assert plan.rows == ROWS and "convolution" in str(plan)

"""Ways round the engine: each stops with one line that says what to do."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import discreet
from judge import unaccounted
from models import Several, cnn, mlp

ROWS = 7


def private(model, **options):
    options = {"batch_size": 8, "sample_size": 40, "noise_multiplier": 1.0, "max_grad_norm": 1.0, "seed_for_tests": 1,
               **options}
    engine = discreet.PrivacyEngine(model, **options)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    engine.attach(optimizer)
    return engine, optimizer


def data(rows=40):
    return TensorDataset(torch.randn(rows, 6), torch.randint(3, (rows,)))


def refused(words):
    return pytest.raises(discreet.Error, match=words)


def test_a_regulariser_in_the_loss():
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    loss = model(torch.randn(ROWS, 6)).mean() + 0.1 * model[0].weight.square().sum()
    with refused("round the privacy engine") as error:
        loss.backward()
    assert error.value.kind == "unsupported" and "'0.weight'" in str(error.value)


def test_a_part_of_the_model_called_directly():
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    x = torch.randn(ROWS, 6)
    with refused("round the privacy engine"):
        (model(x).mean() + model[0](x).mean()).backward()


def test_an_output_kept_on_the_module_is_not_watched():
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x):
            self.kept = self.layer(x)
            return torch.tanh(self.kept)

    model = Keeps()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    out = model(torch.randn(ROWS, 6))
    # The engine's sentence, or torch's own, where the engine was first and has used the graph up.
    with pytest.raises(RuntimeError, match="round the privacy engine|backward through the graph a second time"):
        (out.mean() + model.kept.mean()).backward()


@pytest.mark.parametrize("look", [True, False])
def test_a_model_that_computes_its_loss_itself(look):
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x, y):
            out = self.layer(x)
            return {"loss": F.cross_entropy(out, y), "logits": out}

    model = Whole()
    unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=look)
    with refused("'loss' .* no row for each of the 7 rows"):
        model(torch.randn(ROWS, 6), torch.randint(3, (ROWS,)))


def test_evaluation_with_gradients_is_not_watched():
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    model.eval()
    with refused("round the privacy engine"):
        model(torch.randn(ROWS, 6)).mean().backward()


def test_another_loader():
    model = mlp()
    private(model)
    x, y = data().tensors
    with refused("without a new draw: iterate over engine.loader") as error:
        model(x[:8])
    assert "model.eval()" in str(error.value)


def test_a_draw_used_twice():
    model = mlp()
    engine, _ = private(model)
    for x, y in engine.loader(data(), draws=1):
        F.cross_entropy(model(x), y).backward()
        with refused("without a new draw"):
            model(x)


def test_backward_twice():
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    loss = model(torch.randn(ROWS, 6)).square().mean()
    loss.backward(retain_graph=True)
    with refused("backward\\(\\) ran twice"):
        loss.backward()


def test_a_draw_that_was_dropped():
    model = mlp()
    engine, _ = private(model)
    loader = iter(engine.loader(data(), draws=3))
    next(loader)
    with refused("handed out but not used"):
        next(loader)


@pytest.mark.parametrize("look", [True, False])
def test_a_batch_cut_short(look):
    model = mlp()
    engine, _ = private(model, batch_size=20, check_first_batch=look)
    x, _ = next(iter(engine.loader(data(), draws=1)))
    with refused("one row for each row|a row for each of the"):
        model(x[:2])


def test_the_first_batch_shows_a_model_that_mixes_rows():
    class Mixes(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x):
            return self.layer(x - x.detach().mean(0))  # the graph does not show it

    model = Mixes()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    with refused("mixes samples"):
        model(torch.randn(ROWS, 6))
    model = Mixes()
    unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=False)
    model(torch.randn(ROWS, 6)).mean().backward()  # declared, not looked at


@pytest.mark.parametrize("mode", ["graph", "exact_slow"])
def test_so_does_one_of_words(mode):
    class Mixes(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(9, 6)

        def forward(self, tokens):
            words = self.words(tokens).mean(1)
            return words - words.detach().mean(0)

    model, tokens = Mixes(), torch.arange(ROWS * 3).view(ROWS, 3) % 9
    unaccounted(model, batch_size=ROWS, clip=1.0, grad_mode=mode)
    if mode == "exact_slow":  # each unit by itself: nothing is there to mix with
        model(tokens).mean().backward()
        return
    with refused("mixes samples"):
        model(tokens)


def test_batch_normalisation():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    unaccounted(model, batch_size=ROWS, clip=1.0)
    with refused("buffer '1.running_mean' changed|mixes samples"):
        model(torch.randn(ROWS, 6)).mean().backward()


def test_a_buffer_that_is_replaced():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)
            self.register_buffer("seen", torch.zeros(6))

        def forward(self, x):
            if self.training:
                self.seen = self.seen + x.detach().sum(0)
            return self.layer(x)

    x = torch.randn(ROWS, 6)
    model = Counts()
    engine = unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=False)
    with refused("buffer 'seen' changed"):  # by this very pass
        model(x)
    engine.detach()
    engine = unaccounted(model, batch_size=ROWS, clip=1.0, independent_buffers=["seen"])
    for _ in range(2):
        model(x).mean().backward()
    assert engine.steps == 2


def stepped(model):
    """An engine that has looked at its first batch."""
    engine = unaccounted(model, batch_size=ROWS, clip=1.0)
    model(torch.randn(ROWS, 6)).mean().backward()
    return engine


@pytest.mark.parametrize("begin", [lambda model: unaccounted(model, batch_size=ROWS, clip=1.0), stepped])
@pytest.mark.parametrize("change, words", [
    (lambda model: setattr(model[0], "weight", nn.Parameter(torch.randn(8, 6))), "parameter '0.weight' was added or replaced"),
    (lambda model: model.__setitem__(0, nn.Linear(6, 8)), "parameter '0.weight' was added or replaced"),
    (lambda model: model.append(nn.Linear(3, 3)), "parameter '3.weight' was added or replaced"),
    (lambda model: model[0].__setattr__("bias", None), "a parameter was taken away"),
    (lambda model: model[0].register_buffer("table", torch.ones(6)), "buffer '0.table' was made after the engine"),
])
def test_a_model_that_became_another(begin, change, words):
    model = mlp()
    begin(model)
    change(model)
    with refused(words):
        model(torch.randn(ROWS, 6))


def test_a_module_without_tensors_may_take_the_place_of_another():
    model = mlp()
    engine = stepped(model)
    for layer in (nn.Tanh(), nn.ReLU()):
        model[1] = layer
        model(torch.randn(ROWS, 6)).mean().backward()
    assert engine.steps == 3


@pytest.mark.parametrize("output", [lambda x: x.detach(), lambda x: {"logits": x.detach()}, lambda x: x.argmax(1),
                                    lambda x: nn.Parameter(x.detach())])
def test_an_output_without_a_graph(output):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.output = nn.Linear(6, 3), lambda x: x

        def forward(self, x):
            return self.output(self.layer(x))

    model = Cut()
    stepped(model)
    model.output = output
    with refused("that depends on its parameters|has no graph"):
        model(torch.randn(ROWS, 6))


def test_a_gradient_that_is_changed_after_its_release():
    model = mlp()
    engine, optimizer = private(model)
    for x, y in engine.loader(data(), draws=1):
        F.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        with refused("was changed between its private release"):
            optimizer.step()
        optimizer.zero_grad()


def test_a_step_before_backward():
    model = mlp()
    engine, optimizer = private(model)
    for x, y in engine.loader(data(), draws=1):
        out = model(x)
        with refused("before backward"):
            optimizer.step()
        F.cross_entropy(out, y).backward()


def test_a_closure_may_run_once():
    model = mlp()
    engine, optimizer = private(model)
    for x, y in engine.loader(data(), draws=2):
        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss
        before = model[0].weight.clone()
        optimizer.step(closure)
        assert not torch.equal(before, model[0].weight)

    class Twice(torch.optim.SGD):
        def step(self, closure=None):
            closure()
            closure()

    model = mlp()
    engine = discreet.PrivacyEngine(model, batch_size=8, sample_size=40, noise_multiplier=1.0)
    optimizer = Twice(model.parameters(), lr=0.1)
    engine.attach(optimizer)
    for x, y in engine.loader(data(), draws=1):
        with refused("more than once"):
            optimizer.step(lambda: F.cross_entropy(model(x), y).backward())


@pytest.mark.parametrize("declared, actual", [("mean", "sum"), ("sum", "mean")])
def test_the_other_reduction(declared, actual):
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0, loss_reduction=declared)
    out = model(torch.randn(ROWS, 6))
    with refused(f"declared as '{declared}', but the loss is the {actual}"):
        F.cross_entropy(out, torch.randint(3, (ROWS,)), reduction=actual).backward()
    assert model[0].weight.grad is None


@pytest.mark.parametrize("loss", [
    lambda out, y: F.cross_entropy(out, y, reduction="none").mean(),
    lambda out, y: F.cross_entropy(out, y, reduction="none").sum() / len(y),
    lambda out, y: (F.cross_entropy(out, y, reduction="none") / len(y)).sum(),
    lambda out, y: F.mse_loss(out, torch.zeros_like(out)),
    lambda out, y: -F.log_softmax(out, 1).gather(1, y.unsqueeze(1)).mean(),
])
def test_ways_to_write_a_mean(loss):
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    loss(model(torch.randn(ROWS, 6)), torch.randint(3, (ROWS,))).backward()
    assert model[0].weight.grad is not None


def test_check_finds_a_loss_that_counts_rows_otherwise():
    model = mlp()
    engine, _ = private(model)
    x, y = torch.randn(8, 6), torch.randint(3, (8,))
    engine.check(F.cross_entropy, x, y)
    with refused("declared as kMean|counts otherwise"):
        engine.check(lambda out, t: F.cross_entropy(out, t, weight=torch.tensor([1.0, 5.0, 25.0])), x, y)
    with refused("the sum"):
        engine.check(lambda out, t: F.cross_entropy(out, t, reduction="sum"), x, y)


def test_check_takes_several_outputs_and_named_inputs():
    model = Several("dict")
    engine = unaccounted(model, batch_size=ROWS, clip=1.0)
    engine.check(lambda out, t: (out["a"].square().sum(1) + out["b"].flatten(1).sum(1)).mean(), {"x": torch.randn(ROWS, 6)},
                 torch.zeros(ROWS))
    with refused("counts otherwise"):
        engine.check(lambda out, t: (out["a"] - out["a"].mean(0)).square().mean(), {"x": torch.randn(ROWS, 6)},
                     torch.zeros(ROWS))


def test_attach():
    model = mlp()
    engine, optimizer = private(model)
    with refused("attached already"):
        engine.attach(optimizer)
    with refused("has a privacy engine already"):
        discreet.PrivacyEngine(model, batch_size=8, sample_size=40, noise_multiplier=1.0)
    model = mlp()
    engine = discreet.PrivacyEngine(model, batch_size=8, sample_size=40, noise_multiplier=1.0)
    with refused("attach\\(optimizer\\) comes before loader"):
        engine.loader(data())
    with refused("does not hold parameter '0.weight'"):
        engine.attach(torch.optim.SGD(model[2].parameters(), lr=0.1))
    with refused("not trained by the engine"):
        engine.attach(torch.optim.SGD([*model.parameters(), *mlp().parameters()], lr=0.1))
    with refused("torch.optim optimizer"):
        engine.attach("sgd")


OPTIONS = {
    "batch_size": (0, "batch_size must be at least 1"),
    "sample_size": (3, "sample_size must be"),
    "noise_multiplier": (0, "noise_multiplier must be"),
    "max_grad_norm": (-1, "max_grad_norm must be"),
    "loss_reduction": ("average", "loss_reduction must be one of: mean, sum"),
    "clipping": ("soft", "clipping must be one of"),
    "relation": ("other", "relation"),
    "grad_mode": ("fast", "grad_mode must be one of: graph, exact_slow"),
    "norm_way": ("best", "norm_way must be one of"),
    "independent_buffers": (["nothing"], "no buffer or frozen parameter 'nothing'"),
    "accountant": ("gdp", "an approximation"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_out_of_range(name):
    value, words = OPTIONS[name]
    options = {"batch_size": 8, "sample_size": 40, "noise_multiplier": 1.0, **{name: value}}
    model = mlp()
    with pytest.raises(discreet.Error) as error:
        discreet.PrivacyEngine(model, **options)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert "forward" not in model.__dict__  # nothing is left behind


def test_unaccounted_tells_no_epsilon():
    engine = unaccounted(cnn(), batch_size=ROWS, clip=1.0)
    assert not engine.is_private
    with refused("no epsilon"):
        engine.epsilon(1e-5)
    with refused("no epsilon"):
        engine.event


def test_an_exception_of_the_users_own_passes_through():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x):
            raise KeyError("mine")

    model = Fails()
    unaccounted(model, batch_size=ROWS, clip=1.0)
    with pytest.raises(KeyError, match="mine"):
        model(torch.randn(ROWS, 6))


def test_a_charge_that_fails_releases_nothing():
    model = mlp()

    def charge(step):
        raise ValueError("no budget")

    engine = discreet.PrivacyEngine(model, batch_size=8, sample_size=40, noise_multiplier=1.0, charge=charge)
    engine.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    for x, y in engine.loader(data(), draws=1):
        with pytest.raises(ValueError, match="no budget"):
            F.cross_entropy(model(x), y).backward()
        break
    assert model[0].weight.grad is None and engine.steps == 0

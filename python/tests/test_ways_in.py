"""Ways of records into a model past the clip that no gradient takes: each is refused, and says what to do."""
import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, SubsetRandomSampler, TensorDataset, WeightedRandomSampler

import discreet
from judge import unaccounted
from models import mlp
from test_misuse import data, private, refused

ROWS = 8


def trained_once(model, x, y=None, loss=None, look=True, **options):
    """One step on a batch of one's own."""
    engine = unaccounted(model, batch_size=len(x), clip=1.0, check_first_batch=look, **options)
    out = model(x)
    (out.sum() / len(x) if loss is None else loss(out, y)).backward()
    return engine


# What the forward pass writes


class Normed(nn.Module):
    """An embedding that renormalises the rows of the tokens that come."""

    def __init__(self, frozen=False, bag=False):
        super().__init__()
        self.words = nn.EmbeddingBag(20, 5, max_norm=0.5) if bag else nn.Embedding(20, 5, max_norm=0.5)
        self.words.weight.requires_grad_(not frozen)
        self.head = nn.Linear(5, 3)
        self.bag = bag

    def forward(self, tokens):
        return self.head(self.words(tokens) if self.bag else self.words(tokens).mean(1))


class Initialised(nn.Module):
    """Sets a shift from its first batch, as ActNorm does."""

    def __init__(self, by_data=False):
        super().__init__()
        self.shift = nn.Parameter(torch.ones(6))
        self.layer, self.by_data, self.done = nn.Linear(6, 3), by_data, False

    def forward(self, x):
        if not self.done:
            self.done = True
            with torch.no_grad():
                (self.shift.data if self.by_data else self.shift).copy_(-x.mean(0))
        return self.layer(x + self.shift)


@pytest.mark.parametrize("make", [Normed, lambda: Normed(frozen=True), lambda: Normed(bag=True)])
@pytest.mark.parametrize("check", [True, False])
def test_an_embedding_with_max_norm(make, check):
    with refused("'words.weight' was written between the draw and its output .*max_norm"):
        model = make()
        unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=check)
        model(torch.randint(20, (ROWS, 4)))


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("by_data", [True, False])
def test_an_initialisation_by_the_first_batch(by_data, check):
    with refused("'shift' was written .*initialisation"):
        model = Initialised(by_data)
        unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=check)
        model(torch.randn(ROWS, 6))


@pytest.mark.parametrize("rows, mode", [(1, "graph"), (1, "exact_slow"), (ROWS, "exact_slow")])
def test_an_initialisation_that_no_look_meets(rows, mode):
    with refused("'shift' was written .*initialisation"):
        model = Initialised(by_data=True)
        unaccounted(model, batch_size=ROWS, clip=1.0, grad_mode=mode)
        model(torch.randn(rows, 6))


@pytest.mark.parametrize("by_data", [True, False])
def test_what_was_taken_in_once_stays_in(by_data):
    model, x = Initialised(by_data), torch.randn(ROWS, 6)
    engine = unaccounted(model, batch_size=ROWS, clip=1.0)
    for _ in range(2):  # the second forward pass writes nothing
        with refused("'shift' was written .* make the model anew"):
            model(x)
    for again in (engine.forfeit, lambda: model(x)):
        with refused("'shift' was written .* make the model anew"):
            again()


class Shifted(nn.Module):
    """Sets a shift from a batch, as ActNorm does, and then does what comes `after`."""

    def __init__(self):
        super().__init__()
        self.shift, self.layer, self.after = nn.Parameter(torch.ones(6)), nn.Linear(6, 3), None

    def forward(self, x):
        out = self.layer(x + self.shift)
        if self.after:
            with torch.no_grad():
                self.shift.copy_(-x.mean(0))
            return self.after(self, out)
        return out


def a_new_buffer(model, out):
    model.register_buffer("seen", torch.ones(()))
    return out


@pytest.mark.parametrize("look", [True, False])
@pytest.mark.parametrize("after, words", [(lambda model, out: out, "was written"), (a_new_buffer, "was written"),
                                          (lambda model, out: out.detach(), "depends on its parameters"),
                                          (lambda model, out: 1 // 0, "division")])
def test_what_was_taken_in_is_not_forgotten_when_the_draw_is_given_up(after, words, look):
    model, charged = Shifted(), []
    engine, optimizer = private(model, charge=charged.append, check_first_batch=look)
    batches = iter(engine.loader(data(), draws=4))
    x, y = next(batches)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    model.after = after
    x, _ = next(batches)
    with pytest.raises((discreet.Error, ZeroDivisionError), match=words):
        model(x)
    model.after = None
    with refused("parameter 'shift' was written"):
        engine.forfeit()
    assert charged == [1, 2]
    with refused("parameter 'shift' was written"):
        next(batches)


def test_a_buffer_that_the_forward_pass_puts_back():
    class PutsBack(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)
            self.register_buffer("hidden", torch.zeros(3))
            self.first = [self.hidden]

        def forward(self, x):
            out = self.layer(x) + self.hidden
            self.hidden = self.first[0]
            return out

    model = PutsBack()
    engine = unaccounted(model, batch_size=ROWS, clip=1.0)
    out = model(torch.randn(ROWS, 6))
    out.mean().backward()
    model.hidden = out.detach().mean(0)
    with refused("buffer 'hidden' changed during training: it was replaced"):
        model(torch.randn(ROWS, 6))
    assert engine.steps == 1


def test_statistics_that_were_refused_are_not_kept():
    model, x = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)), torch.randn(ROWS, 6)
    before = copy.deepcopy(model.state_dict())
    for check in (True, False):
        engine = unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=check)
        model.train()
        with refused("buffer '1.* changed during training.* there again"):
            model(x)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        model[1].eval()
        model(x).mean().backward()
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        engine.detach()


def test_a_frozen_copy_that_follows_may_be_named():
    class Follows(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)
            self.mean = nn.Parameter(self.layer.weight.detach().clone(), requires_grad=False)

        def forward(self, x):
            with torch.no_grad():
                self.mean.lerp_(self.layer.weight, 0.1)
            return self.layer(x)

    with refused("'mean' was written"):
        trained_once(Follows(), torch.randn(ROWS, 6))
    trained_once(Follows(), torch.randn(ROWS, 6), independent_buffers=["mean"])
    with refused("no buffer or frozen parameter 'layer.weight'"):
        private(Follows(), independent_buffers=["layer.weight"])


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_a_buffer_that_is_made_in_the_forward_pass(late, look):
    class Makes(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)
            if late:
                self.register_buffer("mean", None)

        def forward(self, x):
            if late:
                self.mean = x.detach().mean(0)
            elif not hasattr(self, "mean"):
                self.register_buffer("mean", x.detach().mean(0))
            return self.layer(x)

    model = Makes()
    with refused("buffer 'mean' was made after the engine"):
        trained_once(model, torch.randn(ROWS, 6), look=look)
    assert model.mean is None  # taken away again


# Losses


def with_loss(loss):
    trained_once(mlp(), torch.randn(ROWS, 6), torch.randint(1, 3, (ROWS,)), loss)


def test_weights_of_classes_in_a_mean():
    weight = torch.tensor([1.0, 2.0, 3.0])
    with refused("weights of classes"):
        with_loss(lambda out, y: F.cross_entropy(out, y, weight=weight))
    with_loss(lambda out, y: F.cross_entropy(out, y))
    with_loss(lambda out, y: (F.cross_entropy(out, y, reduction="none") * weight[y]).mean())


def test_targets_that_a_mean_ignores():
    with refused("ignore_index"):
        with_loss(lambda out, y: F.cross_entropy(out, y, ignore_index=0))
    with refused("ignore_index"):
        with_loss(lambda out, y: F.nll_loss(out.log_softmax(1), y, ignore_index=1))


@pytest.mark.parametrize("declared", ["mean", "sum"])
def test_a_sum_of_means_is_what_it_is_of(declared):
    model, x, y = mlp(), torch.randn(ROWS, 6), torch.randint(3, (ROWS,))
    unaccounted(model, batch_size=ROWS, clip=1e9, loss_reduction=declared)
    out = model(x)
    losses = [F.cross_entropy(out, y, reduction=declared), F.cross_entropy(2 * out, y, reduction=declared)]
    (torch.stack(losses).sum() if declared == "mean" else torch.stack(losses).mean()).backward()


@pytest.mark.parametrize("declared", ["mean", "sum"])
def test_a_mean_and_a_sum_in_one_loss(declared):
    model, x, y = mlp(), torch.randn(ROWS, 6), torch.randint(3, (ROWS,))
    unaccounted(model, batch_size=ROWS, clip=1.0, loss_reduction=declared)
    out = model(x)
    with refused("declared as"):
        (F.cross_entropy(out, y) + F.cross_entropy(out, y, reduction="sum")).backward()


def test_a_head_outside_of_the_model():
    head = nn.Linear(3, 2)
    with refused(r"the loss depends on a tensor \[2(, 3)?\] that requires a gradient"):
        with_loss(lambda out, y: F.cross_entropy(head(out), y - 1))


def test_parameters_that_the_optimizer_was_given_later():
    engine, optimizer = private(mlp())
    model = engine._model
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
    x, y = next(iter(engine.loader(data())))
    F.cross_entropy(model(x), y).backward()
    with refused("holds other parameters"):
        optimizer.step()


def test_a_gradient_from_before_the_engine():
    model = mlp()
    model(torch.randn(4, 6)).sum().backward()
    engine, optimizer = private(model)
    with refused("before the first release"):
        optimizer.step()
    optimizer.zero_grad()
    optimizer.step()


@pytest.mark.parametrize("look", [True, False])
def test_a_hook_on_a_parameter(look):
    model = mlp()
    unaccounted(model, batch_size=ROWS, clip=1.0, loss_reduction="sum", check_first_batch=look)
    hook = model[0].weight.register_hook(lambda gradient: gradient * 0)
    with refused("a hook is registered on parameter '0.weight'"):
        model(torch.randn(ROWS, 6))
    hook.remove()
    model(torch.randn(ROWS, 6)).sum().backward()


# What the loader is given


def test_units_that_are_not_one_for_each_row():
    engine, _ = private(mlp(), unit="person")
    people = [row // 4 for row in range(40)]
    once = iter(people)
    engine.loader(data(), units=once)
    for units, words in [([], "one number for each of the 40 rows; there are 0"), (once, "there are 0"),
                         (people[:-1], "there are 39"), ({row: 0 for row in range(40)}, "not a dict"), (3, "not a int"),
                         (["a"] * 40, "whole numbers"), ([0.5] * 40, "whole numbers"), ([2**70] * 40, "whole numbers"),
                         ([float("nan")] * 40, "whole numbers")]:
        with refused(words):
            engine.loader(data(), units=units)
    engine.loader(data(), units=torch.tensor(people))


def test_units_and_a_collate_fn():
    def by_length(items):
        return torch.utils.data.default_collate(sorted(items, key=lambda item: float(item[0][0])))

    engine, _ = private(mlp(), unit="person")
    people = [row // 4 for row in range(40)]
    for source in (data(), DataLoader(data(), batch_size=8, collate_fn=by_length)):
        with refused("keeps_order=True"):
            engine.loader(source, units=people, collate_fn=None if isinstance(source, DataLoader) else by_length)
    engine.loader(data(), units=people, collate_fn=torch.utils.data.default_collate)
    engine.loader(data(), units=people, collate_fn=lambda items: torch.utils.data.default_collate(items), keeps_order=True)


def test_a_sampler_is_not_passed_over():
    engine, _ = private(mlp())
    for sampler in (SubsetRandomSampler(range(20)), WeightedRandomSampler([1.0] * 40, 40)):
        with refused(type(sampler).__name__):
            engine.loader(DataLoader(data(), batch_size=8, sampler=sampler))
    engine.loader(DataLoader(Subset(data(), range(20)), batch_size=8, shuffle=True))


def test_a_data_set_that_changes_its_tensors():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return 2 * x, y

    x = torch.ones(40, 6)
    engine, _ = private(mlp())
    batch, _ = next(iter(engine.loader(Doubled(x, torch.zeros(40, dtype=torch.long)))))
    assert torch.equal(batch, torch.full_like(batch, 2.0)) or len(batch) == 1


def test_pieces_are_chosen_before_the_loader():
    model = mlp()
    engine = discreet.PrivacyEngine()
    _, optimizer, loader = engine.make_private(
        module=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), noise_multiplier=1.0, max_grad_norm=1.0,
        data_loader=DataLoader(data(), batch_size=8))
    engine.accumulate(2)
    with refused("accumulate\\(\\) came after this loader"):
        next(iter(loader))
    loader = engine.loader(data())
    assert len(loader) == 10
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert engine.steps == 5


def test_an_engine_is_made_private_once():
    engine = discreet.PrivacyEngine()
    model = mlp()
    arguments = {"module": model, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1), "noise_multiplier": 1.0,
                 "max_grad_norm": 1.0, "data_loader": DataLoader(data(), batch_size=8)}
    engine.make_private(**arguments)
    engine.detach()
    with refused("make_private\\(\\) once"):
        engine.make_private(**arguments)


def test_detach_gives_the_model_back_while_a_loader_lives():
    model = mlp()
    engine, _ = private(model)
    loader = engine.loader(data())
    engine.detach()
    model(torch.randn(4, 6)).sum().backward()
    with refused("no longer exists"):
        next(iter(loader))


# What a backward pass leaves


class Interrupts(torch.autograd.Function):
    times = 0

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        Interrupts.times += 1
        if Interrupts.times == 5:
            raise RuntimeError("out of memory")
        return gradient


def test_a_backward_pass_that_ended_midway_is_not_repeated():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x):
            return Interrupts.apply(self.layer(x))

    model, x, y = Fails(), torch.randn(ROWS, 6), torch.randint(3, (ROWS,))
    engine = unaccounted(model, batch_size=ROWS, clip=1.0, grad_mode="exact_slow")
    Interrupts.times = 0
    out = model(x)
    with pytest.raises(Exception, match="out of memory"):
        F.cross_entropy(out, y).backward()
    with refused("backward\\(\\) ran twice"):
        F.cross_entropy(out, y).backward()
    engine.forfeit()
    model(x).mean().backward()


# Words for what is out of range


@pytest.mark.parametrize("options, words", [
    ({"epochs": float("nan")}, "epochs"), ({"epochs": 0}, "epochs"), ({"batch_size": 0}, "batch_size"),
    ({"sample_size": 3}, "sample_size"), ({"noise_multiplier": 1.0}, "noise_multiplier")])
def test_a_plan_out_of_range(options, words):
    usual = {"epsilon": 3, "delta": 1e-5, "epochs": 1, "batch_size": 8, "sample_size": 40}
    with refused(words):
        discreet.PrivacyEngine.with_epsilon(mlp(), **{**usual, **options})


def test_what_an_engine_cannot_start_from():
    with refused("'weight' has no shape yet"):
        private(nn.LazyLinear(3))
    for clipping in (None, 3, ["flat"]):
        with refused("clipping must be one of"):
            private(mlp(), clipping=clipping)
    for use in (lambda engine: engine.noise_multiplier, lambda engine: engine.steps):
        with refused("waits for make_private"):
            use(discreet.PrivacyEngine())
    engine, _ = private(mlp())
    state = engine.state_dict()
    del state["steps"]
    with refused("no 'steps'"):
        engine.load_state_dict(state)
    x, y = data().tensors
    for source, words in [((x.numpy(), y.numpy()), "TensorDataset"), ([x, y], "TensorDataset"),
                          (torch.tensor(1.0), "same number of rows")]:
        with refused(words):
            engine.loader(source)
    with refused("draws must be a whole number"):
        engine.loader(data(), draws=2.5)

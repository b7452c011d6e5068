"""Going on later: what is stored, what is charged, the ledger that the program has too."""
import json
import os
import subprocess

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import discreet
from models import mlp

DELTA = 1e-5


def data(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return TensorDataset(torch.randn(40, 6, generator=generator), torch.randint(3, (40,), generator=generator))


def private(model, **options):
    engine = discreet.PrivacyEngine(model, **{"batch_size": 8, "sample_size": 40, "noise_multiplier": 1.0, **options})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    engine.attach(optimizer)
    return engine, optimizer


def train(model, engine, optimizer, draws, source=None):
    for x, y in engine.loader(source or data(), draws=draws):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def test_a_resumed_run_counts_what_was_before():
    model = mlp()
    engine, optimizer = private(model)
    train(model, engine, optimizer, 4)
    state = json.loads(json.dumps(engine.state_dict()))  # it is plain data
    engine.detach()
    again, optimizer = private(model)
    again.load_state_dict(state)
    train(model, again, optimizer, 3)
    assert again.steps == 7
    whole, optimizer = private(mlp())
    train(whole._model, whole, optimizer, 7)
    assert again.epsilon(DELTA) == whole.epsilon(DELTA)
    assert engine.steps == 4 and engine.epsilon(DELTA) < again.epsilon(DELTA)


def test_a_state_belongs_to_one_training():
    engine, _ = private(mlp())
    state = engine.state_dict()
    other, _ = private(mlp(), noise_multiplier=2.0)
    with pytest.raises(discreet.Error, match="noise_multiplier is 2.0 here and was 1.0"):
        other.load_state_dict(state)
    with pytest.raises(discreet.Error, match="version 7"):
        engine.load_state_dict({**state, "version": 7})
    model = engine._model
    train(model, engine, engine._optimizer, 1)
    with pytest.raises(discreet.Error, match="before the first draw"):
        engine.load_state_dict(state)


def test_adaptive_clipping_goes_on_from_its_clip():
    model = mlp()
    adaptive = discreet.AdaptiveClipping(0.5, 0.3, count_noise_multiplier=2.0)
    engine, optimizer = private(model, clipping=adaptive)
    train(model, engine, optimizer, 5)
    assert engine.max_grad_norm != 1.0
    state = engine.state_dict()
    engine.detach()
    again, _ = private(model, clipping=adaptive)
    again.load_state_dict(state)
    assert again.max_grad_norm == state["max_grad_norm"]


def test_an_interrupted_step_is_charged_and_given_up():
    model = mlp()
    engine, optimizer = private(model)
    draws = iter(engine.loader(data()))
    x, y = next(draws)
    out = model(x)
    with pytest.raises(discreet.Error, match="handed out but not used"):
        next(draws)
    before = model[0].weight.clone()
    engine.forfeit()
    assert engine.steps == 1 and torch.equal(model[0].weight, before) and model[0].weight.grad is None
    with pytest.raises(discreet.Error, match="ran twice"):
        F.cross_entropy(out, y).backward()
    train(model, engine, optimizer, 2)
    assert engine.steps == 3
    engine.forfeit()  # between draws there is nothing to give up
    assert engine.steps == 3


def test_a_budget_is_a_plan_and_the_plan_is_kept():
    model = mlp()
    engine = discreet.PrivacyEngine.with_epsilon(model, epsilon=3, delta=DELTA, epochs=2, batch_size=8, sample_size=40)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    engine.attach(optimizer)
    assert engine.planned_steps == 10
    for _ in range(2):
        train(model, engine, optimizer, None)
    assert 0.99 * 3 < engine.epsilon(DELTA) <= 3
    with pytest.raises(discreet.Error, match="steps are used up") as error:
        engine.loader(data())
    assert error.value.kind == "budget-exhausted"


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return str(tmp_path / "ledger.db")


def in_ledger(model, ledger, **options):
    return private(model, ledger=ledger, ledger_dataset="people", ledger_steps=6, ledger_delta=DELTA, **options)


def history(ledger):
    done = subprocess.run([os.environ["DISCREET_BINARY"], "budget", "--ledger", ledger, "--json"], capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


@pytest.mark.skipif("DISCREET_BINARY" not in os.environ, reason="DISCREET_BINARY names the program")
def test_the_programs_ledger(ledger):
    model = mlp()
    engine, optimizer = in_ledger(model, ledger)
    train(model, engine, optimizer, 4)
    text = json.dumps(history(ledger))
    assert engine.ledger_run and engine.ledger_run in text and '"people"' in text
    run = next(run for set_ in history(ledger)["datasets"] for run in set_["runs"] if run["id"] == engine.ledger_run)
    assert run["charged_steps"] == 4 and run["planned_steps"] == 6


def test_a_run_goes_on_behind_its_last_charge(ledger):
    model = mlp()
    engine, optimizer = in_ledger(model, ledger)
    train(model, engine, optimizer, 2)
    state = engine.state_dict()
    train(model, engine, optimizer, 1)  # charged after the state was stored: lost, and it stays charged
    engine.detach()
    again, optimizer = in_ledger(model, ledger)
    again.load_state_dict(state)
    loader = again.loader(data())
    assert again.steps == 3 and again.ledger_run == state["ledger_run"]
    del loader
    train(model, again, optimizer, 3)
    assert again.steps == 6
    last, _ = in_ledger(mlp(), ledger)
    last.load_state_dict(state)
    with pytest.raises(discreet.Error, match="is over"):
        last.loader(data())


def test_two_engines_that_go_on_with_one_run_pay_for_each_step_once(ledger):
    """Both have the same state; whoever comes second finds its next step charged, and releases nothing."""
    model = mlp()
    engine, optimizer = in_ledger(model, ledger)
    train(model, engine, optimizer, 2)
    state = engine.state_dict()
    engine.detach()
    models = [mlp(), mlp()]
    both = [in_ledger(model, ledger) for model in models]
    loaders = []
    for again, _ in both:
        again.load_state_dict(state)
        loaders.append(again.loader(data(), draws=2))
    steps = [iter(loader) for loader in loaders]

    def step(i):
        (again, optimizer), (x, y) = both[i], next(steps[i])
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(models[i](x), y).backward()
        optimizer.step()

    step(0)
    before = [p.detach().clone() for p in models[1].parameters()]
    with pytest.raises(discreet.Error, match="each step is charged once"):
        step(1)
    assert all(torch.equal(a, b) for a, b in zip(before, models[1].parameters()))
    step(0)
    assert both[0][0].steps == 4


def test_a_run_goes_on_with_its_own_data_and_training(ledger):
    model = mlp()
    engine, optimizer = in_ledger(model, ledger)
    train(model, engine, optimizer, 2)
    state = engine.state_dict()
    engine.detach()
    again, _ = in_ledger(model, ledger)
    again.load_state_dict(state)
    with pytest.raises(discreet.Error, match="another data set"):
        again.loader(data(seed=9))
    again.detach()
    again, _ = in_ledger(model, ledger, noise_multiplier=3.0)
    with pytest.raises(discreet.Error, match="noise_multiplier"):
        again.load_state_dict(state)
    forged = {**state, "options": again.state_dict()["options"]}
    again.load_state_dict(forged)
    with pytest.raises(discreet.Error, match="is another training"):
        again.loader(data())


def test_records_are_the_same_bytes_from_any_form_of_the_data(ledger):
    """A data set of tensors and one of items are recognised as one: the second run is added to the first's costs."""
    class Items(torch.utils.data.Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, i):
            x, y = data()[i]
            return x, int(y)

    model = mlp()
    engine, optimizer = in_ledger(model, ledger)
    train(model, engine, optimizer, 1)
    train(model, engine, optimizer, 1, Items())
    assert engine.steps == 2

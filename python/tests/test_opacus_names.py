"""What users of Opacus write: accepted where it means the same, refused with a sentence where it would not."""
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import discreet
from models import mlp


def parts():
    model = mlp()
    data = TensorDataset(torch.randn(40, 6), torch.randint(3, (40,)))
    return model, torch.optim.SGD(model.parameters(), lr=0.1), DataLoader(data, batch_size=8, shuffle=True)


def made(**options):
    model, optimizer, loader = parts()
    engine = discreet.PrivacyEngine()
    return engine, engine.make_private(**{"module": model, "optimizer": optimizer, "data_loader": loader,
                                          "noise_multiplier": 1.0, "max_grad_norm": 1.0, **options})


def test_make_private():
    engine, (model, optimizer, loader) = made()
    criterion = nn.CrossEntropyLoss()
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    assert engine.steps == 5 and type(model) is nn.Sequential
    assert engine.get_epsilon(delta=1e-5) == engine.accountant.get_epsilon(delta=1e-5) == engine.epsilon(1e-5) > 0


def test_make_private_with_epsilon():
    model, optimizer, loader = parts()
    engine = discreet.PrivacyEngine(accountant="prv", secure_mode=False)
    model, optimizer, loader = engine.make_private_with_epsilon(
        module=model, optimizer=optimizer, data_loader=loader, target_epsilon=2, target_delta=1e-5, epochs=3, max_grad_norm=1.0)
    for _ in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert 0.99 * 2 < engine.get_epsilon(1e-5) <= 2
    with pytest.raises(discreet.Error, match="used up"):
        next(iter(loader))


def test_ghost_hands_the_criterion_back():
    criterion = nn.CrossEntropyLoss()
    _, result = made(criterion=criterion, grad_sample_mode="ghost")
    assert len(result) == 4 and result[2] is criterion


@pytest.mark.parametrize("options, style", [({"clipping": "per_layer"}, "per-layer"), ({"clipping": "automatic"}, "normalised")])
def test_clippings(options, style):
    engine, _ = made(**options)
    assert engine._options.clipping == style


def test_adaptive_clipping():
    engine, _ = made(clipping="adaptive", target_unclipped_quantile=0.6, clipbound_learning_rate=0.1, unclipped_num_std=2.0)
    assert engine._options.clipping == discreet.AdaptiveClipping(0.6, 0.1, 2.0)


REFUSED = {
    "poisson_sampling": ({"poisson_sampling": False}, "no amplification by sampling"),
    "max_grad_norm": ({"max_grad_norm": [1.0, 1.0]}, "by the order of the parameters"),
    "noise_generator": ({"noise_generator": torch.Generator()}, "cryptographic"),
    "grad_sample_mode": ({"grad_sample_mode": "magic"}, "one of hooks"),
    "clipping": ({"clipping": "soft"}, "one of flat"),
    "bounds": ({"clipping": "adaptive", "max_clipbound": 2.0}, "between 1e-12 and 1e12"),
    "unknown": ({"colour": 2}, "unknown argument 'colour'"),
    "loader": ({"data_loader": [1, 2]}, "must be a torch DataLoader"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    options, words = REFUSED[name]
    with pytest.raises(discreet.Error) as error:
        made(**options)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_batch_sampler_of_ones_own():
    model, optimizer, _ = parts()
    data = TensorDataset(torch.randn(40, 6), torch.randint(3, (40,)))
    with pytest.raises(discreet.Error, match="batch sampler of its own"):
        made(data_loader=DataLoader(data, batch_sampler=[[0, 1], [2, 3]]))


def test_an_engine_without_a_model_waits():
    engine = discreet.PrivacyEngine()
    with pytest.raises(discreet.Error, match="waits for make_private"):
        engine.epsilon(1e-5)
    with pytest.raises(discreet.Error, match="waits for make_private"):
        engine.loader(None)
    engine, _ = made()
    model, optimizer, loader = parts()
    with pytest.raises(discreet.Error, match="made without a model"):
        engine.make_private(module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)

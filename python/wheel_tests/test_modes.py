"""torch.compile and autocast: they work, or are refused with a sentence."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import discreet
from judge import assert_released, one_at_a_time, unaccounted
from models import cnn, mlp

ROWS = 7


@pytest.mark.parametrize("make, shape", [(mlp, (6,)), (cnn, (3, 8, 8))])
def test_autocast_to_sixteen_bits(make, shape):
    """The first batch is looked at under autocast too, where powers of two scale exactly. Compared with rows alone, within
    what 8 bits of a number allow."""
    torch.manual_seed(1)
    model, x = make(), torch.randn(ROWS, *shape)

    def loss(out, i):
        return out.float().square().sum()

    with torch.autocast("cpu", torch.bfloat16):
        expected = one_at_a_time(model, (x,), loss, clip=0.5, batch_size=ROWS)
        unaccounted(model, batch_size=ROWS, clip=0.5, loss_reduction="sum")
        out = model(x)
        assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    assert_released(model, expected, 0.05)


def test_a_scaled_loss_is_noticed():
    """GradScaler changes released gradients: the optimizer's step is refused."""
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    engine = discreet.PrivacyEngine(model, batch_size=ROWS, sample_size=70, noise_multiplier=1.0, unaccounted=True)
    engine.attach(optimizer)
    F.cross_entropy(model(torch.randn(ROWS, 6)), torch.randint(3, (ROWS,))).backward()
    for parameter in model.parameters():
        parameter.grad.div_(65536.0)
    with pytest.raises(discreet.Error, match="changed between its private release"):
        optimizer.step()


def test_a_compiled_model_is_refused_with_a_sentence():
    """backend aot_eager makes the graph that a compiled model has, without a compiler."""
    with pytest.raises(discreet.Error, match="torch.compile hides"):
        unaccounted(torch.compile(mlp(), backend="aot_eager"), batch_size=ROWS, clip=1.0)


class Own(nn.Module):
    """torch.compile leaves PyTorch's own modules alone where they are called from elsewhere, and compiles others."""

    def __init__(self):
        super().__init__()
        self.inner = mlp()

    def forward(self, x):
        return torch.tanh(self.inner(x))


@pytest.mark.parametrize("make", [mlp, Own])
@pytest.mark.parametrize("look", [False, True])
def test_one_that_is_compiled_later_is_refused_or_right(make, look):
    torch.manual_seed(1)
    model, x = make(), torch.randn(ROWS, 6)
    expected = one_at_a_time(model, (x,), lambda out, i: out.square().sum(), clip=0.5, batch_size=ROWS)
    unaccounted(model, batch_size=ROWS, clip=0.5, loss_reduction="sum", check_first_batch=look)
    compiled = torch.compile(model, backend="aot_eager")
    try:
        compiled(x).square().sum().backward()
    except discreet.Error as error:
        assert "torch.compile made that function" in str(error)
        assert next(model.parameters()).grad is None
    else:
        assert_released(model, expected)


def test_a_checkpoint_is_refused_with_a_sentence():
    from torch.utils.checkpoint import checkpoint

    class Saves(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = mlp()

        def forward(self, x):
            return checkpoint(self.inner, x, use_reentrant=True)

    model = Saves()
    unaccounted(model, batch_size=ROWS, clip=1.0, check_first_batch=False)
    with pytest.raises(discreet.Error, match="checkpoint"):
        model(torch.randn(ROWS, 6).requires_grad_()).mean().backward()

"""On a device a step waits for nothing: the whole engine with tensors of the `meta` device, which have no numbers to read."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import discreet
from models import Attention, Tied, cnn, mlp

ROWS = 40


class Words(nn.Module):
    """No recurrent layer: what one does without a processor's kernels is its own."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 3)

    def forward(self, tokens):
        return self.head(self.norm(self.words(tokens)).mean(1))


CASES = {
    "mlp": lambda: (mlp(), torch.randn(ROWS, 6)),
    "cnn": lambda: (cnn(3), torch.randn(ROWS, 3, 8, 8)),
    "words": lambda: (Words(), torch.randint(20, (ROWS, 6))),
    "tied": lambda: (nn.Sequential(Tied(), nn.Flatten(), nn.Linear(44, 3)), torch.randint(11, (ROWS, 4))),
    "attention": lambda: (Attention(), torch.randn(ROWS, 5, 8)),
}


@pytest.mark.skipif(int(torch.__version__.split(".")[0]) < 2, reason="torch before 2.0 lacks operations for meta")
@pytest.mark.parametrize("options", [{}, {"clipping": "per-layer"}, {"clipping": "normalised"}], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_a_step_reads_nothing(name, options):
    model, x = CASES[name]()
    model = model.to("meta")
    engine = discreet.PrivacyEngine(model, batch_size=8, sample_size=ROWS, noise_multiplier=1.0, max_grad_norm=1.0,
                                    check_first_batch=False, **options)
    optimizer = torch.optim.Adam(model.parameters())
    engine.attach(optimizer)
    for x, y in engine.loader(TensorDataset(x, torch.randint(3, (ROWS,)))):
        optimizer.zero_grad()
        F.cross_entropy(model(x.to("meta")), y.to("meta")).backward()
        optimizer.step()
    assert engine.steps == 5
    assert all(p.grad.is_meta and p.grad.shape == p.shape for p in model.parameters())
    assert 0 < engine.epsilon(delta=1e-5) < 100


@pytest.mark.skipif(int(torch.__version__.split(".")[0]) < 2, reason="torch before 2.0 lacks operations for meta")
def test_what_has_no_numbers_cannot_be_read():
    """So the test above would notice."""
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.ones(3, device="meta").sum().item()
    model = mlp().to("meta")
    engine = discreet.PrivacyEngine(model, batch_size=8, sample_size=ROWS, noise_multiplier=1.0, max_grad_norm=1.0)
    engine.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises((RuntimeError, NotImplementedError, discreet.Error)):  # the first batch is looked at
        for x, y in engine.loader(TensorDataset(torch.randn(ROWS, 6), torch.randint(3, (ROWS,)))):
            F.cross_entropy(model(x.to("meta")), y.to("meta")).backward()

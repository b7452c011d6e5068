"""Opacus's own tests of layers as a judge: their files give layers, options and shapes; gradients of one row at a time say
what is right. Prints for each file how many of its cases pass, fail, are refused, or have no meaning here (a batch of no
rows: a draw is never that).
"""
import collections
import copy
import importlib
import pkgutil
import unittest

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

import discreet
from judge import unaccounted

pytest.importorskip("opacus")
hypothesis = pytest.importorskip("hypothesis")
grad_samples = importlib.import_module("opacus.tests.grad_samples")
common = importlib.import_module("opacus.tests.grad_samples.common")

hypothesis.settings.register_profile("some", max_examples=40, derandomize=True, deadline=None,
                                     suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.load_profile("some")

# Tests of Opacus's functions, not of a layer.
NOT_LAYERS = ("embedding_norm_sample_test",)
NAMES = [m.name for m in pkgutil.iter_modules(grad_samples.__path__) if m.name.endswith("_test") and m.name not in NOT_LAYERS]
CLIP = 0.7


class OneTensor(nn.Module):
    """A packed sequence's rows, side by side again."""

    def __init__(self, layer, batch_first):
        super().__init__()
        self.layer, self.batch_first = layer, batch_first

    def forward(self, *x):
        out = self.layer(*x)
        return pad_packed_sequence(out, self.batch_first)[0] if isinstance(out, PackedSequence) else out


def single_rows(x, batch, chunk_method):
    """The inputs of each row by itself."""
    if isinstance(x, PackedSequence):
        padded, lengths = pad_packed_sequence(x, batch_first=True)
        return [(row[:length].unsqueeze(batch),) for row, length in zip(padded, lengths)]
    if isinstance(x, tuple):
        return list(chunk_method(x))
    return [(x.narrow(batch, i, 1),) for i in range(x.shape[batch])]


def compare(x, layer, batch_first, chunk_method, counts):
    batch = 0 if batch_first else 1
    if not isinstance(x, (PackedSequence, tuple)) and x.numel() == 0:
        counts["no meaning"] += 1
        return
    model = OneTensor(copy.deepcopy(layer), batch_first).train()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    rows = single_rows(x, batch, chunk_method)
    inputs = x if isinstance(x, tuple) and not isinstance(x, PackedSequence) else (x,)
    with torch.no_grad():
        weights = torch.randn_like(model(*inputs))
    plain, trained = copy.deepcopy(model), list(model.parameters())
    expected = [torch.zeros_like(p, dtype=torch.float64) for p in trained]
    for i, row in enumerate(rows):
        out = plain(*row)
        weight = weights.narrow(batch, i, 1)
        if isinstance(x, PackedSequence):  # a short row has no more than its own times
            weight = weight.narrow(1 - batch, 0, out.shape[1 - batch])
        gradients = torch.autograd.grad((out * weight).sum(), list(plain.parameters()), allow_unused=True)
        norm = float(sum(g.double().square().sum() for g in gradients if g is not None) ** 0.5)
        for total, g in zip(expected, gradients):
            if g is not None:
                total += g.double() * min(1.0, CLIP / norm if norm else 1.0) / len(rows)
    try:
        plain_rows = not isinstance(x, (PackedSequence, tuple))
        engine = unaccounted(model, batch_size=len(rows), clip=CLIP, loss_reduction="sum", batch_dimension=batch,
                             check_first_batch=plain_rows)
        engine._native().hand_in(len(rows))
        (model(*inputs) * weights).sum().backward()
    except discreet.Error as error:
        counts["refused"] += 1
        counts["why: " + str(error)[:150]] += 1
        return
    scale = max([float(e.abs().max()) for e in expected] + [1e-12])
    good = all(float((p.grad.double() - e).abs().max()) <= 1e-4 * scale for p, e in zip(trained, expected))
    counts["passed" if good else "failed"] += 1


TABLE = {}


@pytest.mark.parametrize("name", NAMES)
def test_cases_of(name, monkeypatch):
    counts = collections.Counter()

    def run_test(self, x, module, batch_first=True, atol=0, rtol=0, ew_compatible=True, chunk_method=iter):
        compare(x, module, batch_first, chunk_method, counts)

    monkeypatch.setattr(common.GradSampleHooks_test, "run_test", run_test)
    module = importlib.import_module("opacus.tests.grad_samples." + name)
    torch.manual_seed(2)
    result = unittest.TestResult()
    for case in unittest.defaultTestLoader.loadTestsFromModule(module):
        for test in case:
            if "unfold" not in test.id() and "asymetric" not in test.id():  # those are of Opacus's own functions
                test.run(result)
    assert not result.errors and not result.failures, (result.errors + result.failures)[0][1]
    TABLE[name] = counts
    assert counts["failed"] == 0, dict(counts)
    assert counts["passed"] > 0, dict(counts)


def test_table(capsys):
    with capsys.disabled():
        print()
        for name, counts in TABLE.items():
            words = ", ".join(f"{counts[word]} {word}" for word in ("passed", "failed", "refused", "no meaning"))
            print(f"  {name:32} {words}")
            for why, count in counts.items():
                if why.startswith("why: "):
                    print(f"      {count} x {why[5:]}")

"""The independent slow path: one row at a time through the model, plain autograd, clip, add up."""
import copy

import torch

import discreet


def one_at_a_time(model, inputs, loss, *, clip, batch_size, batch=0, seed=None):
    """The clipped sum over rows, over batch_size, by parameter; in double.

    inputs: a tuple of tensors, or a dictionary. loss(output, i): the loss of row i alone, from an output of one row.
    """
    plain = copy.deepcopy(model)
    trained = [p for p in plain.parameters() if p.requires_grad]
    sums = [torch.zeros_like(p, dtype=torch.float64) for p in trained]
    values = list(inputs.values()) if isinstance(inputs, dict) else list(inputs)
    for i in range(values[0].shape[batch]):
        if seed is not None:
            torch.manual_seed(seed)
        row = [value.narrow(batch, i, 1) for value in values]
        output = plain(**dict(zip(inputs, row))) if isinstance(inputs, dict) else plain(*row)
        gradients = torch.autograd.grad(loss(output, i), trained, allow_unused=True)
        gradients = [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, trained)]
        norm = sum(g.double().square().sum() for g in gradients).sqrt().item()
        for total, gradient in zip(sums, gradients):
            total += gradient.double() * min(1.0, clip / norm if norm else 1.0)
    return [total / batch_size for total in sums]


def unaccounted(model, *, batch_size, clip, **options):
    """An engine without noise, attached."""
    engine = discreet.PrivacyEngine(model, batch_size=batch_size, sample_size=10 * batch_size, noise_multiplier=0,
                                    max_grad_norm=clip, unaccounted=True, **options)
    engine.attach(torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1))
    return engine


def assert_released(model, expected, tolerance=2e-5):
    """Relative to the largest number of all."""
    largest = max(float(e.abs().max()) for e in expected)
    assert largest > 0
    for (name, parameter), e in zip([(n, p) for n, p in model.named_parameters() if p.requires_grad], expected):
        assert parameter.grad is not None, name
        difference = float((parameter.grad.double() - e).abs().max())
        assert difference <= tolerance * largest, (name, difference / largest)

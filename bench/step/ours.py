"""Private training steps of ours from Python, in turns: the models of rivals.py.

usage: bench/step/ours.py TASK.json MODEL private turns [THREADS]      with the built package in PYTHONPATH
"""
import json
import pathlib
import sys

import torch
from torch.nn import functional as F

import discreet
import rivals
from meter import device, in_turns, memory, operations


def main():
    path, name = sys.argv[1:3]
    if len(sys.argv) > 5:
        torch.set_num_threads(int(sys.argv[5]))
    tasks = json.loads(pathlib.Path(path).read_text())
    task = next(task for task in tasks["models"] if task["name"] == name)
    torch.manual_seed(1)
    batch, rows = task["batch"], task["batch"] * tasks["batches_of_data"]
    x = (torch.randint(task["vocabulary"], (rows, task["tokens"])) if "vocabulary" in task
         else torch.randn(rows, *task["input"]))
    y = torch.randint(task["classes"], (rows,))
    discreet.PrivacyEngine  # what it imports is not its step's; nor is what PyTorch imports with its first optimizer
    idle = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    idle.zero_grad()
    idle.step()
    before = memory("VmRSS")
    model = rivals.make_model(task, "plain").to(device())
    of_model = operations(model(x[:2].to(device())))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=tasks["learning_rate"])
    engine = discreet.PrivacyEngine(model, batch_size=batch, sample_size=rows, max_grad_norm=tasks["max_grad_norm"],
                                    noise_multiplier=tasks["noise_multiplier"])
    engine.attach(optimizer)
    batches = iter(engine.loader((x, y), draws=10 ** 9))

    def step():
        data, target = next(batches)
        optimizer.zero_grad()
        F.cross_entropy(model(data.to(device())), target.to(device())).backward()
        optimizer.step()

    in_turns(step, sum(p.numel() for p in trained), before, of_model=of_model)


if __name__ == "__main__":
    main()

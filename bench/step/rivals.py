"""Training steps in Python, plain or private by a rival, in turns: one case, as step_bench (ours.cc).

usage: bench/step/rivals.py TASK.json MODEL plain|opacus|opacus-ghost|fastdp turns [THREADS]

All take batches in the same way, a Poisson draw with index_select, since loaders
differ and are not what is measured. Opacus: hooks that keep a gradient for each sample, and "ghost", its fast gradient
clipping; its LSTM is DPLSTM, as it does not take nn.LSTM. fastDP: book-keeping ("MixOpt") with Abadi's clipping; it
has no LSTM.
"""
import json
import os
import sys

import torch
from torch import nn
from torch.nn import functional as F

from meter import device, in_turns, memory, operations


def mlp(task):
    widths = [task["input"][0], *task["widths"]]
    layers = []
    for width, following in zip(widths, widths[1:]):
        layers += [nn.Linear(width, following), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], task["classes"]))


def mnist_cnn(task):
    return nn.Sequential(
        nn.Conv2d(1, 16, 8, 2, padding=3), nn.ReLU(), nn.MaxPool2d(2, 1), nn.Conv2d(16, 32, 4, 2), nn.ReLU(),
        nn.MaxPool2d(2, 1), nn.Flatten(), nn.Linear(512, 32), nn.ReLU(), nn.Linear(32, task["classes"]))


def cnn(task):
    layers, inputs, side = [], task["input"][0], task["input"][1]
    for i, channels in enumerate(task["channels"]):
        layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.GroupNorm(task["groups"], channels), nn.ReLU()]
        if i % 2 == 1:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        inputs = channels
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * side * side, task["classes"]))


class Lstm(nn.Module):
    def __init__(self, task, layer=nn.LSTM):
        super().__init__()
        self.embedding = nn.Embedding(task["vocabulary"], task["width"])
        self.lstm = layer(task["width"], task["hidden"], batch_first=True)
        self.head = nn.Linear(task["hidden"], task["classes"])

    def forward(self, x):
        return self.head(self.lstm(self.embedding(x))[0][:, -1])


class Adapted(nn.Module):
    def __init__(self, width, rank):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.down = nn.Linear(width, rank, bias=False) if rank else None
        self.up = nn.Linear(rank, width, bias=False) if rank else None

    def forward(self, x):
        out = self.linear(x)
        return out + self.up(self.down(x)) if self.down is not None else out


class Block(nn.Module):
    def __init__(self, width, heads, rank):
        super().__init__()
        self.heads = heads
        self.query, self.value = Adapted(width, rank), Adapted(width, rank)
        self.key, self.joined = nn.Linear(width, width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x):
        y = self.before(x)
        apart = [t.view(t.shape[0], t.shape[1], self.heads, -1).transpose(1, 2)
                 for t in (self.query(y), self.key(y), self.value(y))]
        x = x + self.joined(F.scaled_dot_product_attention(*apart).transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.between(x))))


class Transformer(nn.Module):
    def __init__(self, task):
        super().__init__()
        width = task["width"]
        self.words = nn.Embedding(task["vocabulary"], width)
        self.positions = nn.Embedding(task["tokens"], width)
        self.blocks = nn.ModuleList(Block(width, task["heads"], task["rank"]) for _ in range(task["layers"]))
        self.last = nn.LayerNorm(width)
        self.head = nn.Linear(width, task["classes"])
        if task["rank"]:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_("down" in name or "up" in name or name.startswith("head"))

    def forward(self, x):
        x = self.words(x) + self.positions(torch.arange(x.shape[1], device=x.device).expand_as(x))
        for block in self.blocks:
            x = block(x)
        return self.head(self.last(x).mean(1))


class Residual(nn.Module):
    def __init__(self, inputs, channels, stride, groups):
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.first_norm, self.second_norm = nn.GroupNorm(groups, channels), nn.GroupNorm(groups, channels)
        self.shortcut = None
        if stride != 1 or inputs != channels:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False),
                                          nn.GroupNorm(groups, channels))

    def forward(self, x):
        past = self.shortcut(x) if self.shortcut is not None else x
        return F.relu(self.second_norm(self.second(F.relu(self.first_norm(self.first(x))))) + past)


class Resnet(nn.Module):
    def __init__(self, task):
        super().__init__()
        inputs, groups = task["channels"][0], task["groups"]
        self.stem = nn.Conv2d(task["input"][0], inputs, 3, padding=1, bias=False)
        self.stem_norm = nn.GroupNorm(groups, inputs)
        blocks = []
        for stage, channels in enumerate(task["channels"]):
            for i in range(task["blocks"]):
                blocks.append(Residual(inputs, channels, 2 if stage > 0 and i == 0 else 1, groups))
                inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, task["classes"])

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.stem_norm(self.stem(x)))).mean((2, 3)))


def make_model(task, who):
    if task["kind"] == "lstm":
        if who.startswith("opacus"):
            from opacus.layers import DPLSTM
            return Lstm(task, DPLSTM)
        if who == "fastdp":
            raise SystemExit("fastDP has no LSTM")
        return Lstm(task)
    makers = {"mlp": mlp, "mnist_cnn": mnist_cnn, "cnn": cnn, "transformer": Transformer, "resnet": Resnet}
    return makers[task["kind"]](task)


def make_private(who, model, optimizer, x, y, tasks, batch):
    """-> model, optimizer, criterion"""
    if who == "fastdp":
        from fastDP import PrivacyEngine
        engine = PrivacyEngine(model, batch_size=batch, sample_size=len(x), epochs=1,
                               noise_multiplier=tasks["noise_multiplier"], max_grad_norm=tasks["max_grad_norm"],
                               clipping_mode="MixOpt", clipping_fn="Abadi", loss_reduction="mean")
        engine.attach(optimizer)
        return model, optimizer, F.cross_entropy
    from opacus import PrivacyEngine
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=batch)  # tells the sizes only
    made = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, criterion=nn.CrossEntropyLoss(), data_loader=loader,
        noise_multiplier=tasks["noise_multiplier"], max_grad_norm=tasks["max_grad_norm"], poisson_sampling=False,
        grad_sample_mode="ghost" if who == "opacus-ghost" else "hooks")
    return (made[0], made[1], made[2]) if who == "opacus-ghost" else (made[0], made[1], F.cross_entropy)


def main():
    path, name, who = sys.argv[1:4]
    if len(sys.argv) > 5:
        torch.set_num_threads(int(sys.argv[5]))
    with open(path) as file:
        tasks = json.load(file)
    task = next(task for task in tasks["models"] if task["name"] == name)
    torch.manual_seed(1)
    batch, rows = task["batch"], task["batch"] * tasks["batches_of_data"]
    x = (torch.randint(task["vocabulary"], (rows, task["tokens"])) if "vocabulary" in task
         else torch.randn(rows, *task["input"]))
    y = torch.randint(task["classes"], (rows,))
    # What a rival imports belongs to it, not to its step; so does what PyTorch imports with its first optimizer.
    if who == "fastdp":
        import fastDP  # noqa: F401
    elif who != "plain":
        import opacus  # noqa: F401
    idle = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    idle.zero_grad()
    idle.step()
    before = memory("VmRSS")
    with open(os.devnull, "w") as quiet:
        out, sys.stdout = sys.stdout, quiet
        model = make_model(task, who).to(device())
        of_model = operations(model(x[:2].to(device())))
        numbers = sum(p.numel() for p in model.parameters() if p.requires_grad)
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=tasks["learning_rate"])
        criterion = F.cross_entropy
        if who != "plain":
            model, optimizer, criterion = make_private(who, model, optimizer, x, y, tasks, batch)
        sys.stdout = out

    def step():
        drawn = (torch.rand(rows) < batch / rows).nonzero().squeeze(1)
        data, target = x.index_select(0, drawn), y.index_select(0, drawn)
        optimizer.zero_grad()
        criterion(model(data.to(device())), target.to(device())).backward()
        optimizer.step()

    in_turns(step, numbers, before, of_model=of_model)


if __name__ == "__main__":
    main()

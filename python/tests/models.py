"""Models as people write them; none knows of privacy."""
import collections
import dataclasses

import torch
from torch import nn


def mlp(inputs=6, classes=3):
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, classes))


def cnn(classes=4):
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(24, classes))


class Text(nn.Module):
    def __init__(self, layer=nn.LSTM, words=20):
        super().__init__()
        self.words = nn.Embedding(words, 5)
        self.layer = layer(5, 7, batch_first=True)
        self.head = nn.Linear(7, 3)

    def forward(self, tokens):
        return self.head(self.layer(self.words(tokens))[0].mean(1))


class Attention(nn.Module):
    def __init__(self, batch_first=True):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=batch_first)
        self.head = nn.Linear(8, 3)
        self.time = 1 if batch_first else 0

    def forward(self, x):
        return self.head(self.layer(x).mean(self.time))


class TimeFirst(nn.Module):
    """[time, rows, width] to [time, rows, classes]."""

    def __init__(self):
        super().__init__()
        self.layer = nn.GRU(4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.layer(x)[0])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(11, 6)
        self.inner = nn.Linear(6, 6)
        self.out = nn.Linear(6, 11, bias=False)
        self.out.weight = self.words.weight

    def forward(self, tokens):
        return self.out(torch.tanh(self.inner(self.words(tokens))))


@dataclasses.dataclass
class Answer:
    logits: torch.Tensor
    hidden: torch.Tensor
    note: str = "kept"


Pair = collections.namedtuple("Pair", "first second")


class Several(nn.Module):
    """Gives two watched tensors in the structure that is asked for."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.one, self.two = kind, nn.Linear(6, 3), nn.Linear(6, 4)

    def forward(self, x):
        a, b = self.one(x), torch.tanh(self.two(x)).reshape(-1, 2, 2)
        made = {"tuple": (a, b), "list": [a, [b]], "dict": {"a": a, "b": b}, "dataclass": Answer(a, b), "pair": Pair(a, b),
                "with numbers": (a, b, x.argmax(1)), "twice": (a, b, a)}
        return made[self.kind]


class Named(nn.Module):
    """Takes a mask by name."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x, *, mask):
        return self.layer((x * mask.unsqueeze(-1)).sum(1))

"""Several processes by torch.distributed: the release is that of one process, they agree before they go on, and a process
that is lost stops the step."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

import discreet
from judge import one_at_a_time

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="this build of torch comes without torch.distributed")

ROWS, CLIP = 40, 0.5
BEGINNING = """
import os, signal, sys
import torch, torch.distributed as dist
from torch.nn import functional as F
import discreet
from test_processes import CLIP, ROWS, data, model

rank, size, place = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group("gloo", init_method="file://" + place + "/meeting", rank=rank, world_size=size)
net, (x, y) = model(), data()
with torch.no_grad():
    for p in net.parameters():
        p.add_(rank)  # all take the weights of process 0
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

def engine_of(**options):
    made = discreet.PrivacyEngine(net, **{"batch_size": ROWS, "sample_size": ROWS, "noise_multiplier": 1e-7,
                                          "max_grad_norm": CLIP, "processes": True, "placement": "whole-on-each", **options})
    made.attach(optimizer)
    return made
"""
ONE_STEP = """
for a, b in engine.loader((x, y), draws=1):
    optimizer.zero_grad()
    F.cross_entropy(net(a), b).backward()
torch.save({"rows": len(a), "gradients": [p.grad for p in net.parameters()], "steps": engine.steps}, f"{place}/{rank}.pt")
dist.destroy_process_group()
"""


def model():
    torch.manual_seed(3)
    return nn.Linear(60, 50)


def data():
    torch.manual_seed(5)
    return torch.randn(ROWS, 60), torch.randint(50, (ROWS,))


def expected():
    x, y = data()
    return one_at_a_time(model(), (x,), lambda out, i: F.cross_entropy(out, y[i:i + 1]), clip=CLIP, batch_size=ROWS)


def start(script, place, size=2):
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
                   "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(pathlib.Path(__file__).parent)])}
    return [subprocess.Popen([sys.executable, "-c", BEGINNING + script, str(rank), str(size), str(place)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) for rank in range(size)]


def finish(workers):
    try:
        words = [worker.communicate(timeout=120) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [(worker.returncode, out, err) for worker, (out, err) in zip(workers, words)]


def results(script, place, size=2):
    for code, _, err in finish(start(script, place, size)):
        assert code == 0, err[-2000:]
    return [torch.load(place / f"{rank}.pt") for rank in range(size)]


@pytest.mark.parametrize("placement, size", [("whole-on-each", 2), ("whole-on-each", 4), ("part-on-each", 2)])
def test_the_clipped_sum_is_that_of_one_process(tmp_path, placement, size):
    share = "x, y = x[rank::size], y[rank::size]\n" if placement == "part-on-each" else ""
    made = results(f"{share}engine = engine_of(placement={placement!r})\n{ONE_STEP}", tmp_path, size)
    assert sum(one["rows"] for one in made) == ROWS and all(0 < one["rows"] < ROWS for one in made)
    assert all(one["steps"] == 1 for one in made)
    for one in made:
        for gradient, first, e in zip(one["gradients"], made[0]["gradients"], expected()):
            assert torch.equal(gradient, first)
            assert float((gradient - e).abs().max()) < 1e-5 * float(e.abs().max())


def test_the_noise_is_that_of_one_process(tmp_path):
    made = results("engine = engine_of(noise_multiplier=1.0)\n" + ONE_STEP, tmp_path)
    noise = torch.cat([(g.double() - e).flatten() for g, e in zip(made[0]["gradients"], expected())]) * ROWS / CLIP
    # 3,050 draws: the standard deviation lies within 6.5 % but for 4 times in 10^7; two noises would be 41 % more.
    assert noise.numel() == 3050 and abs(float(noise.std()) - 1) < 0.065
    assert all(torch.equal(a, b) for a, b in zip(made[0]["gradients"], made[1]["gradients"]))


def test_they_agree_before_they_go_on(tmp_path):
    workers = finish(start("""
try:
    engine_of(batch_size=ROWS - rank)
except discreet.Error as error:
    print(error.kind, error)
""", tmp_path))
    for code, out, err in workers:
        assert code == 0, err[-2000:]
        assert out.startswith("invalid-argument the processes disagree about batch_size:")


def test_a_lost_process_stops_the_step(tmp_path):
    workers = finish(start("""
engine = engine_of()
try:
    for step, (a, b) in enumerate(engine.loader((x, y), draws=5)):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(a), b)
        if step == 2 and rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        loss.backward()
        optimizer.step()
        kept = [p.detach().clone() for p in net.parameters()]
except discreet.Error as error:
    print(error.kind, step, engine.steps, all(torch.equal(a, p) for a, p in zip(kept, net.parameters())), error)
""", tmp_path))
    assert workers[1][0] == -signal.SIGKILL
    code, out, err = workers[0]
    assert code == 0, err[-2000:]
    assert out.startswith("unavailable 2 2 True process 0 of 2 (counted from 0) lost another one (")
    assert "the present step is not released here" in out and out.count("\n") == 1


def test_ctrl_c_in_an_exchange(tmp_path):
    """Process 0 gets the signal while it waits for process 1: it goes no further than that exchange, releases nothing, and
    the other one is told."""
    workers = finish(start("""
import threading, time
engine = engine_of()
try:
    for step, (a, b) in enumerate(engine.loader((x, y), draws=3)):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(a), b)
        if step == 1 and rank == 0:
            threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
        elif step == 1:
            time.sleep(3)
        loss.backward()
        optimizer.step()
        kept = [p.detach().clone() for p in net.parameters()]
    print("not stopped")
except KeyboardInterrupt:
    print("interrupted", step, all(torch.equal(a, p) for a, p in zip(kept, net.parameters())))
except discreet.Error as error:
    print(error.kind, step, all(torch.equal(a, p) for a, p in zip(kept, net.parameters())))
""", tmp_path))
    assert [(code, out) for code, out, _ in workers] == [(0, "interrupted 1 True\n"), (0, "unavailable 1 True\n")], workers


def test_a_model_that_exchanges_gradients_itself_is_refused():
    with pytest.raises(discreet.Error, match=r"model within \(model\.module\)"):
        discreet.PrivacyEngine(nn.DataParallel(model()), batch_size=8, sample_size=ROWS, noise_multiplier=1.0)


MISUSE = {
    "no group": ({"processes": True, "placement": "whole-on-each"}, "init_process_group() comes before the engine"),
    "no placement": ({"processes": True}, "whole-on-each or part-on-each"),
    "placement alone": ({"placement": "part-on-each"}, "give processes=True as well"),
}


@pytest.mark.parametrize("name", MISUSE)
def test_misuse(name):
    options, words = MISUSE[name]
    with pytest.raises(discreet.Error) as error:
        discreet.PrivacyEngine(model(), batch_size=8, sample_size=ROWS, noise_multiplier=1.0, **options)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_in_a_group_of_one(tmp_path):
    """What else may be given, and that a wrapped model is refused."""
    made = results("""
wrapped = torch.nn.parallel.DistributedDataParallel(net)
for given, words in [(wrapped, "the model within (model.module)"), ("all", "must be True, or a group")]:
    try:
        discreet.PrivacyEngine(net if given == "all" else given, batch_size=8, sample_size=40, noise_multiplier=1.0,
                               processes=given, placement="whole-on-each")
        raise AssertionError(words)
    except discreet.Error as error:
        assert words in str(error), error
engine = engine_of(processes=dist.group.WORLD)
""" + ONE_STEP, tmp_path, 1)
    assert made[0]["rows"] == ROWS

"""The interpreter's lock, Ctrl-C, and the version of torch that the engine was built for."""
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from torch import nn

import discreet
from discreet import _built, built_for
from judge import unaccounted


def test_another_version_of_torch_is_one_clear_error():
    built_for.check(torch.__version__, str(torch.__version__))
    assert _built.TORCH == torch.__version__
    with pytest.raises(discreet.Error, match=r"built for torch 2\.7\.0, and torch 9\.9 is installed") as error:
        built_for.check("2.7.0", "9.9")
    assert error.value.kind == "unavailable"


def test_another_version_is_noticed_before_the_engine_is_loaded(tmp_path):
    script = ("import sys, types; fake = types.ModuleType('torch'); fake.__version__ = '0.1'; sys.modules['torch'] = fake\n"
              "from discreet import built_for, errors\n"
              "try:\n    built_for.load_engine()\nexcept errors.Error as error:\n    print(error)\n"
              "assert 'discreet._engine' not in sys.modules\n")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "torch 0.1 is installed" in done.stdout, done.stderr


def test_other_threads_run_while_a_step_computes():
    model = nn.Sequential(nn.Linear(600, 600), nn.ReLU(), nn.Linear(600, 600))
    unaccounted(model, batch_size=64, clip=1.0, check_first_batch=False)
    x, ticks, done = torch.randn(64, 600), 0, threading.Event()

    def train():
        for _ in range(15):
            model(x).square().mean().backward()
        done.set()

    switch = sys.getswitchinterval()
    sys.setswitchinterval(100)
    try:
        worker = threading.Thread(target=train)
        worker.start()
        while not done.is_set():
            ticks += 1
            time.sleep(0)
        worker.join()
    finally:
        sys.setswitchinterval(switch)
    assert ticks > 30


def test_ctrl_c_in_the_middle_of_training():
    """A loop that would take minutes ends within seconds of the signal, and the engine tells what was charged."""
    script = """
import torch, discreet
model = torch.nn.Linear(200, 200)
engine = discreet.PrivacyEngine(model, batch_size=50, sample_size=500, noise_multiplier=1.0)
engine.attach(torch.optim.SGD(model.parameters(), lr=0.1))
try:
    for i, (x, y) in enumerate(engine.loader((torch.randn(500, 200), torch.randn(500, 200)), draws=10 ** 9)):
        torch.nn.functional.mse_loss(model(x), y).backward()
        if i == 20:
            print("ready", flush=True)
except KeyboardInterrupt:
    engine.forfeit()
    print("stopped", engine.steps > 20, engine.epsilon(1e-5) > 0)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=10)[0] == "stopped True True\n"
    finally:
        child.kill()


def test_errors_survive_a_pickle():
    import pickle

    error = pickle.loads(pickle.dumps(discreet.Error("words", "unsupported")))
    assert str(error) == "words" and error.kind == "unsupported"

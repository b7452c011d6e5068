"""Type hints that mypy --strict takes, of the package and of a script that uses it; notebooks without an error."""
import os
import pathlib
import subprocess
import sys

import pytest

PYTHON = pathlib.Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((PYTHON / "examples").glob("*.ipynb"))


def test_type_hints(tmp_path):
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text("""
import numpy
import torch
from torch import nn

import discreet
from discreet import accounting

model: nn.Module = nn.Linear(3, 2)
engine = discreet.PrivacyEngine(model, batch_size=8, sample_size=80, noise_multiplier=1.0)
engine.attach(torch.optim.SGD(model.parameters(), lr=0.1))
spent: float = engine.epsilon(delta=1e-5)
curve = accounting.Curve(engine.event)
points = curve.delta(numpy.linspace(0, 3, 4)).upper
assert discreet.verify("people.discreet").valid
""")
    environment = {**os.environ, "MYPYPATH": str(PYTHON)}
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"),
                           str(PYTHON / "discreet"), str(script)],
                          capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook(notebook, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    document = nbformat.read(notebook, as_version=4)
    for cell in document.cells:
        assert cell.cell_type != "code" or not cell.outputs, "notebooks are stored without outputs"
    nbclient.NotebookClient(document, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()


def test_there_are_four_notebooks():
    assert len(NOTEBOOKS) == 4


def test_a_lightning_module(tmp_path):
    pytest.importorskip("lightning")
    done = subprocess.run([sys.executable, str(PYTHON / "examples" / "05_lightning.py")], capture_output=True, text=True,
                          cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "60 steps" in done.stdout

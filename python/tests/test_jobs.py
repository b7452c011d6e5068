"""The program's jobs from Python: train, load, verify, predict; what a notebook shows of them."""
import html
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import discreet
from discreet import notebook, program

pytestmark = pytest.mark.skipif("DISCREET_BINARY" not in os.environ, reason="DISCREET_BINARY names the program")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    generator = random.Random(1)
    lines = ["age,job,bought"]
    for _ in range(600):
        age = generator.randint(18, 80)
        lines.append(f"{age},{generator.choice(['a', 'b', 'c'])},{'yes' if age > 50 else 'no'}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME"):
        os.environ[name] = str(folder / name.lower())
    return folder


@pytest.fixture(scope="module")
def package(place):
    return discreet.train(place / "people.csv", target="bought", epsilon=8, epochs=3, sample_size=600,
                          out=place / "people.discreet", ledger=place / "ledger.db", progress=False)


def test_train_gives_a_package(package, place):
    assert package.path == place / "people.discreet" and package.epsilon <= 8
    assert package.delta == pytest.approx(1e-5)
    assert package.result["epsilon"] == package.epsilon
    assert package.certificate["guarantee"]["relation"] == "add-or-remove-one"
    weights = package.weights()
    assert weights and all(name.startswith("layers.") and values.isfinite().all() for name, values in weights.items())
    assert package.model and package.card


def test_predictions(package, place):
    rows = package.predict(place / "people.csv")
    assert len(rows) == 600 and {next(iter(row.values())) for row in rows} <= {"yes", "no"}


def test_verify(package, place, tmp_path):
    assert discreet.verify(package.path)
    assert discreet.verify(package.path, ledger=place / "ledger.db")
    import shutil
    copy = tmp_path / "copy.discreet"
    shutil.copytree(package.path, copy)
    with open(copy / "card.json", "ab") as file:
        file.write(b" ")
    verification = discreet.verify(copy)
    assert not verification and "card.json was changed" in verification.problems[0]
    assert "NO: do not rely on it" in verification._repr_html_()
    with pytest.raises(discreet.Error, match="is not valid: card.json") as error:
        discreet.load(copy)
    assert error.value.kind == "data-loss"
    with pytest.raises(discreet.Error) as error:
        discreet.load(tmp_path / "nothing.discreet")
    assert error.value.kind == "not-found"


def test_what_a_notebook_shows(package):
    shown = package._repr_html_()
    assert "epsilon" in shown and f"{package.epsilon:.6g}" in shown
    page = package.report()._repr_html_()
    assert page.startswith("<iframe sandbox") and html.unescape(page).count("<html") == 1
    assert "<script>" not in notebook.table("<script>", [("<b>", "<script>")])


def test_errors_have_the_programs_kind_and_last_line(place):
    with pytest.raises(discreet.Error, match="nothing.csv") as error:
        discreet.train(place / "nothing.csv", epsilon=3, progress=False)
    assert error.value.kind == "not-found" and "\n" not in str(error.value)
    with pytest.raises(discreet.Error) as error:
        discreet.train(place / "people.csv", colour=3, progress=False)
    assert error.value.kind == "invalid-argument"


def test_a_plan_reads_no_data(tmp_path):
    (tmp_path / "people.csv").write_text("nothing\n")
    plan = program.plan_of(tmp_path / "people.csv", epsilon=2, sample_size=1000, batch_size=100, epochs=5, holdout=0)
    assert plan["epsilon"] == 2 and plan["steps"] == 50


def test_settings_are_the_programs_flags():
    assert program.flags({"batch_size": 3, "new_dataset": True, "name": None, "dry_run": False, "header": "no"}) == [
        "--batch-size", "3", "--new-dataset", "--header", "no"]


def test_progress_is_told(place, monkeypatch):
    script = place / "talks"
    script.write_text("#!/bin/sh\necho 'training  40 %  4/10  3 s left' >&2\necho 'warning: few' >&2\necho '{\"a\": 1}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("DISCREET_BINARY", str(script))
    seen = []
    monkeypatch.setattr(notebook.Progress, "show", lambda self, *values: seen.append(values))
    assert program.run(["train"]) == (0, {"a": 1})
    assert seen == [("training", 0.4, "4/10  3 s left")]


def test_where_the_program_is(monkeypatch, tmp_path):
    monkeypatch.setenv("DISCREET_BINARY", str(tmp_path / "none"))
    with pytest.raises(discreet.Error, match="DISCREET_BINARY"):
        program.find_program()
    monkeypatch.delenv("DISCREET_BINARY")
    monkeypatch.setattr(program, "__file__", str(tmp_path / "nothing" / "program.py"))  # an install has one beside it
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(discreet.Error, match="set DISCREET_BINARY"):
        program.find_program()
    other = tmp_path / "discreet"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert program.find_program() == str(other)


@pytest.fixture
def counts_signals(tmp_path):
    """A program that writes `ready`, waits, and writes a line into `signals` for the interrupt that ends it."""
    child = tmp_path / "waits"
    child.write_text("#!/bin/sh\ntrap 'echo one >> " + str(tmp_path / "signals") + "; exit 130' INT\necho ready > "
                     + str(tmp_path / "ready") + "\nfor i in $(seq 2000); do sleep 0.05; done\n")
    child.chmod(0o755)
    return child


_RUN = "try:\n    program.run(['train'])\nexcept KeyboardInterrupt:\n    print('stopped')\n"


def test_ctrl_c_goes_to_the_program_once(counts_signals, tmp_path):
    """The child counts the signals that it gets; the parent ends as an interrupted Python does."""
    parent = subprocess.Popen([sys.executable, "-c", "from discreet import program\n" + _RUN], stdout=subprocess.PIPE,
                              text=True, env={**os.environ, "DISCREET_BINARY": str(counts_signals)})
    deadline = time.monotonic() + 20
    try:
        while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        parent.send_signal(signal.SIGINT)
        assert parent.communicate(timeout=20)[0] == "stopped\n"
    finally:
        parent.kill()
    assert (tmp_path / "signals").read_text() == "one\n"


def test_ctrl_c_before_the_start_is_over_does_not_leave_the_program_running(counts_signals, tmp_path):
    """The signal comes inside Popen, when the child lives and nothing names it yet."""
    early = f"""
import os, signal, subprocess, time
from discreet import program
class Early(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        while not os.path.exists({str(tmp_path / "ready")!r}):
            time.sleep(0.02)
        signal.raise_signal(signal.SIGINT)
subprocess.Popen = Early
"""
    handler = "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    done = subprocess.run([sys.executable, "-c", early + _RUN + handler], stdout=subprocess.PIPE, text=True, timeout=60,
                          env={**os.environ, "DISCREET_BINARY": str(counts_signals)})
    assert (done.returncode, done.stdout) == (0, "stopped\n")
    assert (tmp_path / "signals").read_text() == "one\n"

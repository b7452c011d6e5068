"""Ctrl-C, kill -9, and what a resumed run may and may not do."""
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import QUICK, SLOW, idx_images, the_run, wait_for_steps

KILLS = 1000 if os.environ.get("DISCREET_SOAK") else 50


def released_and_charged(place, package):
    certificate = json.loads((place.path / package / "privacy.json").read_text())
    training = certificate["phases"][-1]
    runs = place.run("budget", "--json").json["datasets"][0]["runs"]
    return certificate, training, runs


def test_a_run_killed_at_random_moments_always_resumes(table):
    source = random.Random(int.from_bytes(os.urandom(8), "big"))
    kills, packages = 0, 0
    while kills < KILLS:
        out = f"people-{packages}.discreet"
        command = ["train", "people.csv", *SLOW, "--out", out, "--new-dataset"]
        while not (table.path / out).exists():
            process = table.start(*command)
            try:
                _, words = process.communicate(timeout=source.uniform(0.2, 4.0) if kills < KILLS else 120)
                assert process.returncode == 0, words.decode()
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
            if (table.path / (out + ".run") / "run.json").exists():
                command = ["train", "--resume", out]
        folder = table.path / (out + ".run")
        if (folder / "run.json").exists():  # killed between the package and the ledger, or while it tidied up
            table.run("train", "--resume", out)
        assert not folder.exists() or not list(folder.iterdir())
        packages += 1
        certificate, training, _ = released_and_charged(table, out)
        assert table.run("verify", out, "--json").json["valid"] is True
        assert certificate["guarantee"]["epsilon"] <= 3
        assert 0 <= training["steps_lost"] <= training["steps"]
        run = next(r for d in table.run("budget", "--json").json["datasets"] for r in d["runs"]
                   if r["id"] == certificate["ledger"]["run"])
        assert run["status"] == "settled"
        assert run["charged_steps"] == run["planned_steps"] == training["steps"]
    assert kills >= KILLS


def test_ctrl_c_leaves_a_run_that_goes_on(table):
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet", process)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130, words.decode()
    assert "--resume" in words.decode()
    assert not (table.path / "p.discreet").exists()
    table.run("train", "--resume", "p.discreet")
    _, training, runs = released_and_charged(table, "p.discreet")
    assert training["steps_lost"] == 0
    assert runs[0]["charged_steps"] == training["steps"]


def test_ctrl_c_while_features_are_computed(place):
    """Some seconds of wavelet scattering, which is not charged and is done again."""
    pixels, labels = idx_images(4000, size=28)
    place.write("shapes/train-images-idx3-ubyte", pixels)
    place.write("shapes/train-labels-idx1-ubyte", labels)
    process = place.start("train", "shapes", "--model", "scatter-linear", "--epochs", "1", "--out", "p.discreet")
    deadline = time.monotonic() + 60
    while not ((place.path / "p.discreet.run" / "facts.json").exists() and the_run(place)["planned_steps"] > 0):
        assert process.poll() is None and time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130 and b"features" in words and b"--resume" in words, words.decode()
    place.run("train", "--resume", "p.discreet")


def test_resume_refuses_changed_data(table):
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet", process)
    process.kill()
    process.communicate()
    lines = (table.path / "people.csv").read_text().splitlines()
    table.write("people.csv", "\n".join(lines[:700]) + "\n")
    refused = table.run("train", "--resume", "p.discreet", code=2)
    assert "changed" in refused.err


@pytest.mark.parametrize("counted", [True, False])
def test_a_ledger_that_was_set_back_stops_the_resume(table, counted):
    """Otherwise the steps between would be released twice, and charged once."""
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet", process)
    ledger = table.path / "home" / "ledger.db"
    with sqlite3.connect(ledger, timeout=10) as now, sqlite3.connect(table.path / "older.db") as older:
        now.backup(older)
    time.sleep(2.5)
    process.kill()
    process.communicate()
    for rest in ledger.parent.glob("ledger.db-*"):
        rest.unlink()
    shutil.copyfile(table.path / "older.db", ledger)
    if not counted:  # as on another machine: the run's own folder knows more than the ledger
        shutil.rmtree(table.path / "state")
    refused = table.run("train", "--resume", "p.discreet", code=7)
    assert "set back" in refused.err
    assert not (table.path / "p.discreet").exists()


def test_steps_behind_an_older_checkpoint_are_lost_and_not_run_again(table):
    """They were charged and may have been released: running them again would release them twice."""
    process = table.start("train", "people.csv", *SLOW[:-1], "500", "--out", "p.discreet")
    wait_for_steps(table, "p.discreet", process)
    kept = table.path / "p.discreet.run" / "checkpoint.pt"
    shutil.copyfile(kept, table.path / "older.pt")
    charged_by_then = the_run(table)["charged_steps"]  # at least what the older checkpoint holds
    deadline = time.monotonic() + 60
    while the_run(table)["charged_steps"] < charged_by_then + 20:
        assert process.poll() is None and time.monotonic() < deadline, "the steps are too quick or too slow for this test"
        time.sleep(0.02)
    process.kill()
    process.communicate()
    charged = the_run(table)["charged_steps"]
    shutil.copyfile(table.path / "older.pt", kept)
    table.run("train", "--resume", "p.discreet")
    _, training, runs = released_and_charged(table, "p.discreet")
    assert charged - charged_by_then <= training["steps_lost"] <= charged
    assert runs[0]["charged_steps"] == runs[0]["planned_steps"] == training["steps"]
    assert table.run("verify", "p.discreet", "--json").json["valid"] is True


def test_statistics_are_paid_for_once_unless_they_are_lost(table):
    unfit = {"input": [999999], "layers": [{"type": "linear", "outputs": 2}], "outputs": 2}
    table.write("unfit.json", json.dumps(unfit))  # noticed only when the statistics are there
    refused = table.run("train", "people.csv", *QUICK, "--model", "unfit.json", "--out", "p.discreet", code=2)
    assert "unfit.json" in refused.err and the_run(table)["statistics_attempts"] == 1
    table.run("train", "--resume", "p.discreet", code=2)
    assert the_run(table)["statistics_attempts"] == 1
    # As after a kill between the charge and the moment when the statistics are stored.
    folder = table.path / "p.discreet.run"
    (folder / "facts.json").unlink()
    run = json.loads((folder / "run.json").read_text())
    run["job"]["model"] = "auto"
    (folder / "run.json").write_text(json.dumps(run))
    table.run("train", "--resume", "p.discreet")
    certificate, training, runs = released_and_charged(table, "p.discreet")
    statistics = certificate["phases"][0]
    assert statistics["attempts"] == runs[0]["statistics_attempts"] == 2
    assert certificate["guarantee"]["epsilon"] == pytest.approx(2 * statistics["epsilon"] + training["epsilon"], rel=1e-12)
    assert certificate["guarantee"]["epsilon"] <= 3
    assert table.run("verify", "p.discreet", "--json").json["valid"] is True


def test_two_processes_cannot_run_one_run(table):
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet", process)
    refused = table.run("train", "--resume", "p.discreet", code=8)
    assert "another process" in refused.err
    process.kill()
    process.communicate()


def test_resume_without_a_run_says_so(table):
    assert "no unfinished run" in table.run("train", "--resume", "none.discreet", code=3).err

"""Ctrl-C, kill -9, and what a resumed run may and may not do."""
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time

# Many small steps: some seconds of them.
SLOW = ["--target", "happy", "--batch-size", "60", "--epochs", "1500"]
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
        if (table.path / (out + ".run")).exists():  # killed between the package and the ledger
            table.run("train", "--resume", out)
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
    wait_for_steps(table, "p.discreet")
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130, words.decode()
    assert "--resume" in words.decode()
    assert not (table.path / "p.discreet").exists()
    table.run("train", "--resume", "p.discreet")
    _, training, runs = released_and_charged(table, "p.discreet")
    assert training["steps_lost"] == 0
    assert runs[0]["charged_steps"] == training["steps"]


def test_resume_refuses_changed_data(table):
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet")
    process.kill()
    process.communicate()
    lines = (table.path / "people.csv").read_text().splitlines()
    table.write("people.csv", "\n".join(lines[:700]) + "\n")
    refused = table.run("train", "--resume", "p.discreet", code=2)
    assert "changed" in refused.err


def test_a_ledger_that_was_set_back_stops_the_resume(table):
    """Otherwise the steps between would be released twice, and charged once."""
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet")
    ledger = table.path / "home" / "ledger.db"
    with sqlite3.connect(ledger, timeout=10) as now, sqlite3.connect(table.path / "older.db") as older:
        now.backup(older)
    time.sleep(2.5)
    process.kill()
    process.communicate()
    for rest in ledger.parent.glob("ledger.db-*"):
        rest.unlink()
    shutil.copyfile(table.path / "older.db", ledger)
    refused = table.run("train", "--resume", "p.discreet", code=7)
    assert "set back" in refused.err
    assert not (table.path / "p.discreet").exists()


def test_two_processes_cannot_run_one_run(table):
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet")
    refused = table.run("train", "--resume", "p.discreet", code=8)
    assert "another process" in refused.err
    process.kill()
    process.communicate()


def test_resume_without_a_run_says_so(table):
    assert "no unfinished run" in table.run("train", "--resume", "none.discreet", code=3).err


def wait_for_steps(place, package):
    deadline = time.monotonic() + 60
    while not (place.path / (package + ".run") / "checkpoint.pt").exists():
        assert time.monotonic() < deadline, "no checkpoint within a minute"
        time.sleep(0.02)

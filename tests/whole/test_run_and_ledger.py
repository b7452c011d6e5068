"""The run's folder and the ledger, where one of them knows less than the other."""
import json
import os
import pty
import shutil
import signal
import subprocess

import pytest

from conftest import QUICK, people
from test_resume import SLOW, wait_for_steps


@pytest.fixture
def killed(table):
    """A run that was killed after some steps."""
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet", process)
    process.kill()
    process.communicate()
    return table


def only_run(place):
    return place.run("budget", "--json").json["datasets"][0]["runs"][0]


def test_giving_up_keeps_what_was_charged(killed):
    run = only_run(killed)
    assert run["status"] == "reserved" and run["charged_steps"] > 0
    assert "still counts for what it reserved" in killed.run("budget", "give-up", run["id"]).out
    after = only_run(killed)
    assert after["status"] == "given-up" and (after["epsilon"], after["delta"]) == (3, 1e-5)
    assert "given-up" in killed.run("train", "--resume", "p.discreet", code=2).err
    assert only_run(killed)["charged_steps"] == run["charged_steps"]
    killed.run("budget", "give-up", run["id"], code=2)


@pytest.fixture
def stopped(table):
    """A run whose statistics were charged and stored, and which has no training plan."""
    unfit = {"input": [999999], "layers": [{"type": "linear", "outputs": 2}], "outputs": 2}
    table.write("unfit.json", json.dumps(unfit))  # noticed only when the statistics are there
    table.run("train", "people.csv", *QUICK, "--model", "unfit.json", "--out", "p.discreet", code=2)
    assert only_run(table)["statistics_attempts"] == 1 and only_run(table)["status"] == "reserved"
    return table


def test_giving_up_before_the_plan_keeps_the_statistics_alone(stopped):
    assert "its statistics still count" in stopped.run("budget", "give-up", only_run(stopped)["id"]).out
    run = only_run(stopped)
    assert 0.25 < run["epsilon"] <= 0.3 and 8e-7 < run["delta"] <= 1e-6  # a tenth of what was reserved
    assert (run["reserved_epsilon"], run["reserved_delta"]) == (3, 1e-5)
    assert "given-up" in stopped.run("train", "--resume", "p.discreet", code=2).err


def test_a_refusal_that_a_crash_cut_short_is_ended_on_resume(stopped):
    """As a crash leaves it between a release that told too little and the run's end: told again, charged once."""
    folder = stopped.path / "p.discreet.run"
    (folder / "facts.json").write_text('{"refused": "told before"}')
    again = stopped.run("train", "--resume", "p.discreet", code=2)
    assert "told before. The run has ended" in again.err and "stay charged" in again.err
    assert not folder.exists()
    run = only_run(stopped)
    assert (run["status"], run["statistics_attempts"]) == ("given-up", 1) and 0.25 < run["epsilon"] <= 0.3


def test_a_known_data_set_keeps_its_name_when_a_run_is_refused(table):
    def names():
        return table.run("budget", "--json").json["datasets"][0]["names"]
    table.run("train", "people.csv", *QUICK, "--name", "first", "--out", "a.discreet")
    table.run("budget", "set", "first", "--epsilon", "9", "--delta", "0.001")
    table.run("train", "people.csv", *QUICK, "--name", "second", "--epsilon", "9", "--out", "b.discreet", code=6)
    assert names() == ["first"]
    said = table.run("train", "people.csv", *QUICK, "--name", "second", "--out", "b.discreet").err
    assert "recognised these records as 'first'" in said and "called 'second'" in said
    assert names() == ["first", "second"]
    assert "recognised" not in table.run("train", "people.csv", *QUICK, "--name", "second", "--epsilon", "2.5",
                                         "--out", "c.discreet").err
    assert table.run("budget", "second").out.startswith("second ")
    assert "first" in table.run("budget", "first", "--json").out


def test_a_run_killed_before_its_reservation_reserves_once(killed):
    """The folder without what comes later, and a ledger that was never asked: as a crash in between leaves them."""
    shutil.rmtree(killed.path / "home")  # the new ledger is another one, not the old one set back
    folder = killed.path / "p.discreet.run"
    refused = killed.run("train", "--resume", "p.discreet", code=7)
    assert "does not know this run" in refused.err
    (folder / "facts.json").unlink()
    (folder / "checkpoint.pt").unlink()
    killed.run("train", "--resume", "p.discreet")
    run = only_run(killed)
    assert run["status"] == "settled" and run["id"] == json.loads(
        (killed.path / "p.discreet/privacy.json").read_text())["ledger"]["run"]
    assert len(killed.run("budget", "--json").json["datasets"][0]["runs"]) == 1


def test_a_process_that_died_at_once_is_not_in_the_way(table):
    (table.path / "p.discreet.run").mkdir()
    quick = ["--target", "happy", "--batch-size", "200", "--epochs", "1", "--out", "p.discreet"]
    table.run("train", "people.csv", *quick)
    (table.path / "half.discreet.run/model").mkdir(parents=True)  # died while it wrote
    table.write("half.discreet.run/run.json.a8Kf2x", "{")
    table.run("train", "people.csv", *quick[:-1], "half.discreet")
    assert not (table.path / "half.discreet.run").exists()
    (table.path / "q.discreet.run").mkdir()
    table.write("q.discreet.run/notes.txt", "mine")
    refused = table.run("train", "people.csv", *quick[:-1], "q.discreet", code=4)
    assert "holds no run" in refused.err
    assert (table.path / "q.discreet.run/notes.txt").exists()


def test_a_resumed_run_keeps_the_architecture_it_began_with(images):
    net = {"input": [1, 12, 12], "fixed": [{"type": "flatten"}], "layers": [{"type": "linear", "outputs": 2}],
           "outputs": 2}
    images.write("net.json", json.dumps(net))
    process = images.start("train", "shapes", "--model", "net.json", "--batch-size", "60", "--epochs", "1500",
                           "--out", "p.discreet")
    wait_for_steps(images, "p.discreet", process)
    process.kill()
    process.communicate()
    images.write("net.json", "not what it was")
    images.run("train", "--resume", "p.discreet")
    layers = json.loads((images.path / "p.discreet/model.json").read_text())["architecture"]["layers"]
    assert [layer["type"] for layer in layers] == ["linear"]
    assert images.run("verify", "p.discreet", "--json").json["valid"] is True


def answered(place, answer, *arguments, code=0):
    """The command at a terminal: what it printed there, once the question was answered (None: with Ctrl-C)."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(place.command(*arguments), cwd=place.path, env=place.environment, stdin=terminal,
                               stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    said, asked = b"", False
    while True:
        try:
            some = os.read(master, 4096)
        except OSError:  # nobody is at the other end any more
            break
        if not some:
            break
        said += some
        if not asked and b"same or new? [same] " in said:
            asked = True
            charged = place.run("budget", "--json").json["datasets"]
            assert all(run["status"] == "settled" for dataset in charged for run in dataset["runs"])
            process.send_signal(signal.SIGINT) if answer is None else os.write(master, answer)
    os.close(master)
    assert process.wait(timeout=300) == code, said
    return said.decode(), asked


@pytest.mark.parametrize("answer, data_sets", [(b"new\n", 2), (b"same\n", 1), (b"\n", 1), (b"\x04", 1)])
def test_at_a_terminal_the_owner_says_whether_a_changed_data_set_is_the_same(place, answer, data_sets):
    rows = people(1500).splitlines()
    changed = people(300, seed=2).splitlines()[1:]
    place.write("people.csv", "\n".join(rows) + "\n")
    place.write("later.csv", "\n".join(rows[:-150] + changed) + "\n")
    said, asked = answered(place, answer, "train", "people.csv", *QUICK, "--out", "a.discreet")
    assert not asked, said
    said, asked = answered(place, answer, "train", "later.csv", *QUICK, "--out", "b.discreet")
    assert asked and "changed form of 'people': about 90 %" in said
    assert len(place.run("budget", "--json").json["datasets"]) == data_sets
    # The answer holds, and no file knows how much is shared.
    said, asked = answered(place, b"", "train", "later.csv", *QUICK, "--out", "c.discreet")
    assert not asked, said
    assert len(place.run("budget", "--json").json["datasets"]) == data_sets
    for file in place.path.rglob("*"):
        assert not file.is_file() or b"of the smaller one" not in file.read_bytes(), file


def test_interrupted_at_the_question_nothing_is_charged(place):
    rows = people(1500).splitlines()
    place.write("people.csv", "\n".join(rows[:-150]) + "\n")
    place.write("later.csv", "\n".join(rows) + "\n")
    place.run("train", "people.csv", *QUICK, "--out", "a.discreet")
    before = place.run("budget", "history", "--json").json["head"]
    said, asked = answered(place, None, "train", "later.csv", *QUICK, "--out", "b.discreet", code=130)
    assert asked and "before anything was charged" in said
    assert place.run("budget", "history", "--json").json["head"] == before
    assert not (place.path / "b.discreet.run").exists()


@pytest.mark.parametrize("flags, data_sets", [(["--same-as", "people"], 1), (["--new-dataset"], 2)])
def test_the_flags_answer_the_question(place, flags, data_sets):
    rows = people(1500).splitlines()
    place.write("people.csv", "\n".join(rows[:-150]) + "\n")
    place.write("later.csv", "\n".join(rows) + "\n")
    place.run("train", "people.csv", *QUICK, "--out", "a.discreet")
    said, asked = answered(place, b"", "train", "later.csv", *QUICK, *flags, "--out", "b.discreet")
    assert not asked, said
    assert len(place.run("budget", "--json").json["datasets"]) == data_sets


def test_a_plan_that_costs_more_than_its_reservation_held_takes_more_noise(table):
    """Few, lightly sampled steps have far more divergence than a usual plan of their epsilon."""
    table.run("budget", "set", "people", "--epsilon", "4.5", "--delta", "1e-5")
    few = ["--target", "happy", "--batch-size", "10", "--epochs", "0.03", "--sample-size", "1500", "--holdout", "0"]
    said = table.run("train", "people.csv", *few, "--out", "p.discreet").err
    assert "this run takes more noise, and spends less" in said
    assert table.run("verify", "p.discreet", "--json").json["valid"] is True
    dataset = table.run("budget", "--json").json["datasets"][0]
    assert dataset["runs"][0]["status"] == "settled" and 0.9 < dataset["used"] <= 1

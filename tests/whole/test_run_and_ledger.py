"""The run's folder and the ledger, where one of them knows less than the other."""
import json
import shutil

import pytest

from conftest import QUICK
from test_resume import SLOW, wait_for_steps


@pytest.fixture
def killed(table):
    """A run that was killed after some steps."""
    process = table.start("train", "people.csv", *SLOW, "--out", "p.discreet")
    wait_for_steps(table, "p.discreet")
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
    shutil.rmtree(killed.path / "home")
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
    wait_for_steps(images, "p.discreet")
    process.kill()
    process.communicate()
    images.write("net.json", "not what it was")
    images.run("train", "--resume", "p.discreet")
    layers = json.loads((images.path / "p.discreet/model.json").read_text())["architecture"]["layers"]
    assert [layer["type"] for layer in layers] == ["linear"]
    assert images.run("verify", "p.discreet", "--json").json["valid"] is True

"""The run's folder and the ledger, where one of them knows less than the other."""
import json
import shutil

import pytest

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
    assert "still counts" in killed.run("budget", "give-up", run["id"]).out
    after = only_run(killed)
    assert after["status"] == "given-up" and (after["epsilon"], after["delta"]) == (3, 1e-5)
    assert "given-up" in killed.run("train", "--resume", "p.discreet", code=2).err
    assert only_run(killed)["charged_steps"] == run["charged_steps"]
    killed.run("budget", "give-up", run["id"], code=2)


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

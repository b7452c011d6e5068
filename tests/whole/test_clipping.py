"""The four ways to clip: each trains, is certified as what it was, and costs the same."""
import json
import re
import signal
import zipfile

import pytest

from conftest import QUICK, SLOW, wait_for_steps

WORDS = {"flat": "scaled to an L2 norm of at most max_grad_norm;", "per-layer": "in each of the L layers",
         "normalised": "is multiplied by max_grad_norm / (its L2 norm + 0.01)", "adaptive": "max_grad_norm in the first step"}


def certificate_of(place, package):
    return json.loads((place.path / package / "privacy.json").read_text())


def test_each_way_trains_verifies_and_has_the_same_event(table):
    events = set()
    for mode, words in WORDS.items():
        out = f"{mode}.discreet"
        table.run("train", "people.csv", *QUICK, "--sample-size", "1500", "--clipping", mode, "--max-grad-norm", "0.5",
                  "--out", out)
        assert table.run("verify", out, "--json").json["valid"] is True
        certificate = certificate_of(table, out)
        training = certificate["phases"][-1]
        assert training["clipping"] == mode and training["max_grad_norm"] == 0.5
        assert words in certificate["mechanism"]["clipping"] + ";"
        assert f">{mode}<" in (table.path / out / "report.html").read_text()
        clip_facts = [fact for fact in certificate["facts"] if "clip of every step but the first" in fact["fact"]]
        assert [fact["how"] for fact in clip_facts] == (["private"] if mode == "adaptive" else [])
        events.add(json.dumps(training["event"]))
    assert len(events) == 1


def test_the_certificate_tells_what_noise_the_sum_and_the_count_have(table):
    """Theorem 1 of Andrew and others 2021, with a count of deviation s = max(batch_size / 20, noise multiplier)."""
    table.run("train", "people.csv", *QUICK, "--sample-size", "1500", "--clipping", "adaptive", "--out", "p.discreet")
    certificate = certificate_of(table, "p.discreet")
    noise = certificate["phases"][-1]["noise_multiplier"]
    s = max(200 / 20, noise)
    said = [float(number) for number in re.findall(r"of deviation ([0-9.]+)", certificate["mechanism"]["noise"])]
    assert said == pytest.approx([(noise**-2 - (2 * s) ** -2) ** -0.5, s], rel=1e-3)


def test_a_batch_too_small_for_the_papers_count_trains_too(table):
    """batch_size / 20 = 1 is below half of the noise multiplier here: the count alone would cost more than the event."""
    table.write("schema.json", '{"target": {"name": "happy", "classes": ["yes", "no"]}}')
    table.run("train", "people.csv", "--schema", "schema.json", "--batch-size", "20", "--epochs", "1", "--epsilon", "0.2",
              "--sample-size", "1500", "--clipping", "adaptive", "--out", "p.discreet")
    assert certificate_of(table, "p.discreet")["phases"][-1]["noise_multiplier"] > 2
    assert table.run("verify", "p.discreet", "--json").json["valid"] is True


def test_an_interrupted_adaptive_run_goes_on(table):
    process = table.start("train", "people.csv", *SLOW[:-1], "300", "--clipping", "adaptive", "--out", "p.discreet")
    wait_for_steps(table, "p.discreet", process)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130, words.decode()
    with zipfile.ZipFile(table.path / "p.discreet.run" / "checkpoint.pt") as checkpoint:
        assert any(b"next_clip" in checkpoint.read(name) for name in checkpoint.namelist())
    table.run("train", "--resume", "p.discreet")
    assert table.run("verify", "p.discreet", "--json").json["valid"] is True
    training = certificate_of(table, "p.discreet")["phases"][-1]
    assert training["clipping"] == "adaptive" and training["steps_lost"] == 0


def test_another_way_is_refused_before_anything_is_read(table):
    refused = table.run("train", "people.csv", *QUICK, "--clipping", "ghost", code=2)
    assert "flat, per-layer, normalised or adaptive" in refused.err
    assert not (table.path / "home").exists()

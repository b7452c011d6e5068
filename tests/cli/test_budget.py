"""budget: caps before and after, an honest empty answer, damaged and foreign ledgers."""
import json
import math
import os
import shutil
import sqlite3
import stat

import pytest

from conftest import add_run


def test_nothing_spent_makes_no_ledger(place):
    assert place.run("budget", "--json").json["datasets"] == []
    assert "Nothing has been spent" in place.run("budget").out
    assert not (place.path / "home" / "ledger.db").exists()


def test_a_cap(place):
    answer = place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5, "--json").json
    assert answer["cap"] == {"epsilon": 8, "delta": 1e-5, "relation": "add-or-remove-one", "unit": "row",
                             "set_after_runs": False, "raised_after_runs": False}
    for arguments in [["budget"], ["budget", "show"], ["budget", "show", "people"], ["budget", "people"]]:
        shown = place.run(*arguments, "--json").json
        assert [d["name"] for d in shown["datasets"]] == ["people"]
        assert shown["datasets"][0]["spent"] == {"epsilon": 0, "delta": 0}
        assert shown["datasets"][0]["left"] == {"epsilon": 8, "delta": 1e-5}
        assert shown["datasets"][0]["used"] == 0 and shown["datasets"][0]["together"] is None
    words = place.run("budget").out
    assert "epsilon 8, delta 1e-05 for all runs together" in words and "0 %" in words
    assert "a further run of up to epsilon 8 at delta 1e-05 would be admitted" in words
    assert stat.S_IMODE(os.stat(place.path / "home" / "ledger.db").st_mode) == 0o600


def filter_share(filter_, epsilon, noise, steps):
    """The part of a cap that so many Gaussian releases use, by the formulas of accounting/filter.h."""
    budgets = [(a, epsilon - math.log(1 - 1 / a) + math.log(a * d) / (a - 1))
               for a, d in zip(filter_["orders"], filter_["deltas"])]
    return min(steps * a / (2 * noise ** 2) / budget for a, budget in budgets if budget > 0)


def test_what_runs_leave_of_a_cap(place):
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    entries = place.run("budget", "history", "--json").json["entries"]
    fixed = next(e["content"]["filter"] for e in entries if e["kind"] == "cap")
    assert sum(fixed["deltas"]) + fixed["events_delta"] <= 1e-5
    left = 8
    for runs in [1, 2]:
        add_run(place, f"r{runs}", noise=10, steps=20)  # the charged half of what was planned counts
        dataset = place.run("budget", "--json").json["datasets"][0]
        assert math.isclose(dataset["used"], filter_share(fixed, 8, 10, 20 * runs), rel_tol=1e-9)
        assert 1 < dataset["left"]["epsilon"] < left and dataset["left"]["delta"] == 1e-5
        assert dataset["spent"] == {"epsilon": 3 * runs, "delta": 1e-5 * runs}
        left = dataset["left"]["epsilon"]
    words = place.run("budget").out
    assert f"{round(100 * dataset['used'])} %" in words and "a further run of up to about epsilon" in words
    add_run(place, "r3", noise=1, steps=100)
    dataset = place.run("budget", "--json").json["datasets"][0]
    assert dataset["used"] > 1 and dataset["left"]["epsilon"] == 0
    assert "no further run would be admitted" in place.run("budget").out


def test_without_a_cap_the_total_is_on_a_ladder(place):
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    with sqlite3.connect(place.path / "home" / "ledger.db") as ledger:
        ledger.execute("DELETE FROM entries WHERE kind = 'cap'")
    shutil.rmtree(place.path / "state")  # which knows that there was one entry more
    assert place.run("budget", "--json").json["datasets"][0]["together"] is None
    for runs, (noise, rung) in enumerate([(10, 1), (2, 4), (0.5, 16), (0.05, None)]):
        add_run(place, f"r{runs}", noise, steps=1)
        together = place.run("budget", "--json").json["datasets"][0]["together"]
        assert together == (None if rung is None else {"epsilon": rung, "delta": 1e-5})
        words = place.run("budget").out
        assert (f"within epsilon {rung} at delta 1e-05" if rung else "more than epsilon 128") in words
        assert "cap" in words and "none is set" in words


def test_relation_and_unit_of_a_cap(place):
    cap = place.run("budget", "set", "people", "--epsilon", 1, "--delta", 1e-6, "--relation", "replace-one",
                    "--unit", "patient", "--json").json["cap"]
    assert cap["relation"] == "replace-one" and cap["unit"] == "column patient"


def test_a_slip_in_a_name_is_asked_about(place):
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    place.refused("budget", "set", "peple", "--epsilon", 8, "--delta", 1e-5, code=3, kind="not-found",
                  says=['"people"', "--new-dataset"])
    place.refused("budget", "show", "peple", code=3, kind="not-found", says='"people"')
    place.refused("budget", "peple", code=3, kind="not-found", says='"people"')
    place.refused("budget", "histroy", says="did you mean history?")
    place.run("budget", "set", "peple", "--epsilon", 8, "--delta", 1e-5, "--new-dataset")
    assert len(place.run("budget", "--json").json["datasets"]) == 2


def test_history_is_a_chain(place):
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    place.run("budget", "set", "others", "--epsilon", 2, "--delta", 1e-5)
    history = place.run("budget", "history", "--json").json
    assert [e["kind"] for e in history["entries"]] == ["ledger", "dataset", "cap", "dataset", "cap"]
    assert history["head"] == history["entries"][-1]["hash"]
    one = place.run("budget", "history", "others", "--json").json
    assert [e["kind"] for e in one["entries"]] == ["dataset", "cap"]
    words = place.run("budget", "history").out
    assert "people" in words and words.endswith(f"head {history['head']}\n")


def test_the_documented_hash_chain(place):
    """docs/ledger.md, computed here from the file alone."""
    import hashlib
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    previous = b""
    with sqlite3.connect(place.path / "home" / "ledger.db") as ledger:
        for *fields, body, hash_ in ledger.execute("SELECT * FROM entries ORDER BY number"):
            text = previous + b"".join(b"\n" + str(field).encode() for field in fields) + b"\n" + body
            previous = hashlib.sha256(text).hexdigest().encode()
            assert previous.decode() == hash_


def test_another_ledger(place):
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5, "--ledger", "mine.db")
    assert (place.path / "mine.db").exists()
    assert place.run("budget", "--json").json["datasets"] == []
    assert len(place.run("budget", "--ledger", "mine.db", "--json").json["datasets"]) == 1
    place.refused("budget", "show", "--ledger", "nowhere.db", code=3, kind="not-found", says="nowhere.db")
    place.refused("budget", "set", "p", "--epsilon", 1, "--delta", 1e-5, "--ledger", "no/folder.db", code=3,
                  kind="not-found", says="no/folder.db")


@pytest.mark.parametrize("flag, values", [("--epsilon", ["0", "-1", "nan", "inf", "1e9", "8x"]),
                                          ("--delta", ["0", "1", "nan"]), ("--relation", ["swap"])])
def test_set_refuses(place, flag, values):
    for value in values:
        arguments = [f"{name}={text}" for name, text in {"--epsilon": "8", "--delta": "1e-5", flag: value}.items()]
        place.refused("budget", "set", "people", *arguments, says=flag.lstrip("-"))
    assert not (place.path / "home" / "ledger.db").exists()


def test_edited_and_foreign_ledgers(place):
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5, "--ledger", "a.db")
    with sqlite3.connect(place.path / "a.db") as ledger:
        ledger.execute("UPDATE entries SET time = '2001-01-01T00:00:00Z' WHERE number = 2")
    place.refused("budget", "--ledger", "a.db", code=7, kind="data-loss", says=["a.db", "entry 2"])
    (place.path / "b.db").write_text("this is not a database, but long enough to be looked at\n" * 100)
    place.refused("budget", "--ledger", "b.db", code=7, kind="data-loss", says="b.db")
    with sqlite3.connect(place.path / "c.db") as ledger:
        ledger.execute("CREATE TABLE songs (name TEXT)")
    place.refused("budget", "--ledger", "c.db", code=7, kind="data-loss", says="not a ledger")
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5, "--ledger", "d.db")
    with sqlite3.connect(place.path / "d.db") as ledger:
        ledger.execute("PRAGMA user_version=99")
    place.refused("budget", "--ledger", "d.db", code=9, kind="unsupported", says="99")


def test_giving_up_a_run(place):
    """What it does to a run is tested where there are runs: tests/whole/test_run_and_ledger.py."""
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    place.refused("budget", "give-up", "r0123456789abcdef", code=3, kind="not-found", says="r0123456789abcdef")
    place.refused("budget", "give-up", code=2, says="RUN")
    place.refused("budget", "forget", code=3, kind="not-found", says=["forget", "give-up"])


def test_a_ledger_that_was_put_back(place):
    ledger, copy = place.path / "home" / "ledger.db", place.path / "copy.db"
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    place.refused("budget", "accept-restored", says="nothing to accept")
    shutil.copy(ledger, copy)
    add_run(place, "r1", noise=1, steps=10)
    assert place.run("budget", "--json").json["datasets"][0]["charges_lost"] is False
    shutil.copy(copy, ledger)
    for command in [["budget"], ["budget", "history"], ["budget", "set", "people", "--epsilon=8", "--delta=1e-5"],
                    ["budget", "people"]]:
        place.refused(*command, code=7, kind="data-loss",
                      says=[str(ledger), "has 3 entries, and had 7", "caps cannot hold", "accept-restored"])
    assert "lost" in place.run("budget", "accept-restored", "--help").out
    assert "closed until they are set anew" in place.run("budget", "accept-restored").out
    place.refused("budget", "accept-restored", says="nothing to accept")
    dataset = place.run("budget", "--json").json["datasets"][0]
    assert dataset["charges_lost"] is True and dataset["left"]["epsilon"] == 0 and dataset["used"] is None
    words = place.run("budget").out
    assert "entries of the ledger are lost" in words and "closed since charges were lost" in words
    last = place.run("budget", "history", "--json").json["entries"][-1]
    assert last["kind"] == "restored" and last["content"]["entries"] == 7
    assert "restored" in place.run("budget", "history").out
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    dataset = place.run("budget", "--json").json["datasets"][0]
    assert dataset["charges_lost"] is True and dataset["left"]["epsilon"] == 8
    assert "entries of the ledger are lost" in place.run("budget").out


def test_a_state_folder_that_cannot_be_used_is_said(place):
    (place.path / "state").write_text("no folder")
    said = place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    assert said.err.startswith("warning: an older copy of the ledger") and said.err.count("\n") == 1
    assert place.run("budget", "--json").json["datasets"][0]["name"] == "people"

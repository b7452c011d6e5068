"""verify: packages built and signed here, by another implementation, from the documentation alone."""
import json
import shutil

import pytest

from conftest import add_run, certificate, write_package


def package(place, name="people.discreet", change=None, files=None, **guarantee):
    document = certificate(place, **guarantee)
    if change:
        change(document)
    return write_package(place.path / name, {"privacy.json": document, "weights.safetensors": b"\0\1\2",
                                             **(files or {})})


def test_a_right_package(place):
    path = package(place)
    answer = place.run("verify", path, "--json").json
    assert answer["valid"] is True and answer["problems"] == []
    assert answer["epsilon"] == json.loads((path / "privacy.json").read_text())["guarantee"]["epsilon"]
    assert answer["delta"] == 1e-5 and answer["relation"] == "add-or-remove-one" and answer["private"] is True
    assert answer["key_known"] is False
    words = place.run("verify", path).out
    assert words.startswith("valid\n")
    assert "unknown key" in words and "not who made it" in words
    assert not (place.path / "home" / "signing.key").exists()


def test_a_trusted_key(place):
    path = package(place)
    key = place.run("verify", path, "--json").json["key"]
    (place.path / "home").mkdir(exist_ok=True)
    (place.path / "home" / "trusted_keys").write_text(f"# colleagues\n{key} Ada at the clinic\n")
    answer = place.run("verify", path, "--json").json
    assert answer["key_known"] is True and answer["key_owner"] == "Ada at the clinic"
    assert "Ada at the clinic" in place.run("verify", path).out


@pytest.mark.parametrize("name", ["privacy.json", "weights.safetensors", "manifest.json"])
def test_a_changed_byte_is_found_and_its_file_named(place, name):
    path = package(place)
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    result = place.run("verify", path, code=7)
    assert name in result.err and result.err.startswith("discreet: ")
    assert result.out.startswith("NOT VALID")
    answer = place.run("verify", path, "--json", code=7).json
    assert answer["valid"] is False and any(name in problem for problem in answer["problems"])


def test_missing_and_added_files(place):
    path = package(place)
    (path / "more.txt").write_text("")
    (path / "weights.safetensors").unlink()
    problems = place.run("verify", path, "--json", code=7).json["problems"]
    assert len(problems) == 2
    assert any("more.txt" in p for p in problems) and any("weights.safetensors" in p for p in problems)


@pytest.mark.parametrize("lie, says", [
    (lambda d: d["guarantee"].update(epsilon=0.1), "guarantee.epsilon"),
    (lambda d: d["guarantee"].update(delta=1e-6), "guarantee.delta"),
    (lambda d: d["guarantee"].update(relation="replace-one"), "phases[0].epsilon"),
    (lambda d: d["phases"][0].update(epsilon=0.1), "phases[0].epsilon"),
    (lambda d: d["phases"][0].update(steps=99), "phases[0]"),
    (lambda d: d["phases"][0].update(attempts=2), "guarantee.epsilon"),
    (lambda d: d["phases"][0]["event"].update(kind="shuffled"), "phases[0].event"),
    (lambda d: d["phases"][0]["event"].pop("count"), "phases[0].event"),
    (lambda d: d["guarantee"].pop("private"), "guarantee.private"),
    (lambda d: d.update(note="trust me"), "note"),
    (lambda d: d.update(version=2), "version 2"),
])
def test_a_signature_does_not_make_a_lie_true(place, lie, says):
    answer = place.run("verify", package(place, change=lie), "--json", code=7).json
    assert answer["valid"] is False
    assert any("privacy.json" in problem and says in problem for problem in answer["problems"])


@pytest.mark.parametrize("clipping", [None, "flat", "per-layer", "normalised", "adaptive"])
def test_the_way_of_clipping_may_be_told(place, clipping):
    path = package(place, change=lambda c: clipping and c["phases"][0].update(clipping=clipping))
    assert place.run("verify", path, "--json").json["valid"] is True


def test_a_way_of_clipping_that_nobody_knows_is_one_problem(place):
    answer = place.run("verify", package(place, change=lambda c: c["phases"][0].update(clipping="ghost")), "--json", code=7).json
    assert answer["problems"] == ["privacy.json: phases[0].clipping must be flat, per-layer, normalised or adaptive"]


def test_a_test_seed_is_said_loudly(place):
    path = package(place, private=False)
    assert place.run("verify", path, "--json").json["private"] is False
    words = place.run("verify", path).out
    assert "NOT PRIVATE" in words.splitlines()[0]
    assert "at most" not in words


def test_no_package(place):
    place.refused("verify", "nowhere.discreet", code=3, kind="not-found", says="nowhere.discreet")
    (place.path / "folder").mkdir()
    place.refused("verify", "folder", code=3, kind="not-found", says="manifest.json")
    place.refused("report", "folder", code=3, kind="not-found", says="manifest.json")


def test_report_in_words(place):
    path = package(place, files={"report.html": b"<!doctype html>\n"})
    answer = place.run("report", path, "--json").json
    assert answer["report"] == str(path / "report.html") and answer["private"] is True
    words = place.run("report", path).out
    assert str(path / "report.html") in words and "epsilon" in words and "In words:" in words
    place.refused("report", package(place, "bare.discreet"), code=3, kind="not-found", says="report.html")
    (path / "report.html").write_text("<!doctype html> changed\n")
    place.refused("report", path, code=7, kind="data-loss", says="report.html")


def test_the_ledger_goes_on_from_a_package(place):
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    add_run(place, "r1", noise=1, steps=10)
    head = place.run("budget", "history", "--json").json["head"]
    ledger = place.path / "home" / "ledger.db"
    shutil.copy(ledger, place.path / "copy.db")
    add_run(place, "r2", noise=1, steps=10)
    later = place.run("budget", "history", "--json").json["head"]
    early, late, of_another_run, unlisted = [
        package(place, f"{name}.discreet", change=lambda d: d["ledger"].update(reference))
        for name, reference in [("early", {"run": "r1", "head": head}), ("late", {"run": "r2", "head": later}),
                                ("other", {"run": "r3", "head": head}), ("unlisted", {})]]
    for path in [early, late]:
        assert place.run("verify", path, "--ledger", ledger, "--json").json["valid"] is True
    assert "has gone on from the certificate's head" in place.run("verify", early, "--ledger", ledger).out
    assert "r3" in place.run("verify", of_another_run, "--ledger", ledger, code=7).err
    assert "names no ledger" in place.run("verify", unlisted, "--ledger", ledger, code=7).err
    # Another machine, which has no counter: the package alone shows that the ledger was set back.
    shutil.copy(place.path / "copy.db", ledger)
    shutil.rmtree(place.path / "state")
    assert place.run("verify", early, "--ledger", ledger, "--json").json["valid"] is True
    problems = place.run("verify", late, "--ledger", ledger, "--json", code=7).json["problems"]
    assert len(problems) == 1 and "privacy.json" in problems[0] and "older copy" in problems[0]
    assert place.run("verify", late, "--json").json["valid"] is True  # by itself
    place.refused("verify", late, "--ledger", "nowhere.db", code=3, kind="not-found", says="nowhere.db")


def test_a_ledger_that_settled_another_certificate(place):
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5)
    add_run(place, "r1", noise=1, steps=10, certificate="0" * 64)
    head = place.run("budget", "history", "--json").json["head"]
    path = package(place, change=lambda d: d["ledger"].update(run="r1", head=head))
    assert "another certificate of run r1" in place.run("verify", path, "--ledger", place.path / "home" / "ledger.db",
                                                        code=7).err

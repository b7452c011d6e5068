"""Runs the light half of the program, in a folder and a home of its own."""
import dataclasses
import hashlib
import json
import os
import pathlib
import sqlite3
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("DISCREET_BINARY", str(ROOT / "build" / "discreet"))


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one object on standard output."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


class Place:
    def __init__(self, path):
        self.path = path
        self.environment = {**os.environ, "DISCREET_HOME": str(path / "home"), "XDG_STATE_HOME": str(path / "state")}

    def run(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.path, env=self.environment, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == code, f"exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}"
        return Result(done.returncode, done.stdout, done.stderr)

    def refused(self, *arguments, code=2, kind="invalid-argument", says=()):
        """One line on standard error; with --json the same in one object, of this kind."""
        plain = self.run(*arguments, code=code)
        assert plain.err.startswith("discreet: ") and plain.err.count("\n") == 1, plain.err
        for words in [says] if isinstance(says, str) else says:
            assert words in plain.err
        assert plain.out == ""
        error = self.run(*arguments, "--json", code=code).json["error"]
        assert error == {"kind": kind, "message": plain.err[len("discreet: "):-1]}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


# A certificate whose numbers are right: 100 steps at rate 0.01 and multiplier 1.
def certificate(place, **guarantee):
    rate, multiplier, steps, delta = 0.01, 1.0, 100, 1e-5
    epsilon = place.run("account", "--sample-rate", rate, "--noise-multiplier", multiplier, "--steps", steps,
                        "--delta", delta, "--accountant", "rdp", "--json").json["epsilon"]
    return {
        "format": "discreet-certificate", "version": 1,
        "guarantee": {"epsilon": epsilon, "delta": delta, "relation": "add-or-remove-one", "unit": {"kind": "row"},
                      "private": True, **guarantee},
        "phases": [{
            "name": "training", "attempts": 1,
            "event": {"kind": "repeated", "count": steps, "event": {
                "kind": "poisson_sampled", "sample_rate": rate, "event": {
                    "kind": "gaussian", "noise_multiplier": multiplier}}},
            "accountant": "rdp", "epsilon": epsilon, "delta": delta, "sample_rate": rate, "noise_multiplier": multiplier, "steps": steps,
            "steps_lost": 0, "max_grad_norm": 1.0, "normaliser": 256.0}],
        "facts": [], "mechanism": {name: "words" for name in
                                   ("sampler", "clipping", "noise", "generator", "floating_point")},
        "not_proven": [], "ledger": {"run": "", "head": ""}, "software": {},
    }


def write_package(path, files):
    """Builds a package as docs/package.md says, with another implementation of Ed25519 than the program's."""
    path.mkdir()
    listed = {}
    for name, content in sorted(files.items()):
        content = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode() + b"\n"
        (path / name).write_bytes(content)
        listed[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    import ed25519
    document = {"format": "discreet-package", "version": 1, "files": listed,
                "public_key": ed25519.public_key(ed25519.SECRET).hex()}
    signed = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    document["signature"] = ed25519.sign(ed25519.SECRET, signed).hex()
    (path / "manifest.json").write_text(json.dumps(document, indent=2) + "\n")
    return path


def add_run(place, name, noise, steps, certificate=""):
    """A finished run, written as docs/ledger.md says."""
    with sqlite3.connect(place.path / "home" / "ledger.db") as ledger:
        dataset = ledger.execute("SELECT subject FROM entries WHERE kind = 'dataset'").fetchone()[0]
        event = {"kind": "repeated", "count": steps, "event": {"kind": "gaussian", "noise_multiplier": noise}}
        for kind, amount, body in [
                ("reserve", 0, {"dataset": dataset, "name": name, "epsilon": 3, "delta": 1e-5,
                                "relation": "add-or-remove-one", "unit": "row"}),
                ("training", 2 * steps, {"event": {**event, "count": 2 * steps}}), ("steps", steps, None),
                ("settle", 0, {"epsilon": 3, "delta": 1e-5, "certificate": certificate})]:
            number, previous = ledger.execute("SELECT number, hash FROM entries ORDER BY number DESC").fetchone()
            fields = [number + 1, "2026-01-31T23:59:59Z", kind, name, amount]
            body = b"" if body is None else json.dumps(body).encode()
            text = previous.encode() + b"".join(b"\n" + str(field).encode() for field in fields) + b"\n" + body
            ledger.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)",
                           [*fields, body, hashlib.sha256(text).hexdigest()])

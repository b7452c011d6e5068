"""What the program says of itself."""
import pytest

from conftest import ROOT

COMMANDS = ["train", "predict", "inspect", "plan", "account", "budget", "report", "verify"]


def test_help_lists_every_command(place):
    for flag in ["--help", "-h", "help"]:
        out = place.run(flag).out
        for command in COMMANDS:
            assert f"\n  {command} " in out


def test_without_arguments_help_and_an_error_code(place):
    assert "usage:" in place.run(code=2).out


def test_version(place):
    assert place.run("--version").out.startswith("discreet 0.")


@pytest.mark.parametrize("command", [["train"], ["plan"], ["account"], ["budget"], ["budget", "show"],
                                     ["budget", "set"], ["budget", "history"], ["report"], ["verify"]])
def test_each_command_explains_itself(place, command):
    out = place.run(*command, "--help").out
    assert "discreet " + " ".join(command) in out
    assert "--json" in out


def test_unknown_commands_and_flags_name_the_nearest(place):
    place.refused("acount", says='did you mean "discreet account"?')
    place.refused("frobnicate", says="discreet --help")
    place.refused("budget", "sett", says="did you mean set?")
    place.refused("plan", "--epsilom", "3", says="did you mean --epsilon?")
    place.refused("verify", "a", "b", says="too many")
    place.refused("verify", says="PACKAGE")


def test_the_missing_half_is_named(place):
    """The program alone in a folder cannot train."""
    import os
    import shutil
    import subprocess

    from conftest import PROGRAM
    shutil.copy(PROGRAM, place.path / "discreet")
    done = subprocess.run([place.path / "discreet", "train", "x.csv"], capture_output=True, text=True,
                          env=os.environ, timeout=60)
    assert done.returncode == 8
    assert "discreet-torch is missing" in done.stderr


def test_a_full_standard_output_is_an_error(place):
    import subprocess

    from conftest import PROGRAM
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 8
    assert done.stderr.startswith("discreet: ")


def test_every_exit_code_is_documented(place):
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    header = (ROOT / "discreet" / "base" / "error.h").read_text()
    import re
    codes = re.findall(r"^  k\w+, .*exit (\d+)$", header, re.M)
    assert len(codes) == 9
    for code in codes:
        assert f"\n| {code} | `" in text

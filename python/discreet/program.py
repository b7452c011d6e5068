"""The program `discreet` as functions: its jobs from a script or a notebook."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
from typing import IO, Any, Callable, Optional

from . import notebook
from .errors import Error
from .package import Package, load

# docs/exit-codes.md
_KINDS = {2: "invalid-argument", 3: "not-found", 4: "already-exists", 5: "permission-denied", 6: "budget-exhausted",
          7: "data-loss", 8: "unavailable", 9: "unsupported", 130: "interrupted"}
_PROGRESS = re.compile(r"^(?P<title>.*?)  (?:\[[#.]*\] )?(?P<percent>\d+) %  (?P<rest>.*)$")


def find_program() -> str:
    """DISCREET_BINARY, else the one beside this package, else the one in PATH."""
    named = os.environ.get("DISCREET_BINARY")
    beside = pathlib.Path(__file__).parent / "bin" / "discreet"
    if named:
        if not os.access(named, os.X_OK):
            raise Error(f"DISCREET_BINARY names {named}, which is no program", "not-found")
        return named
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("discreet")
    if not found:
        raise Error(f"the program `discreet` is neither in {beside.parent} nor in PATH: set DISCREET_BINARY to it", "not-found")
    return found


def run(arguments: list[str], progress: bool = True) -> tuple[int, dict[str, Any]]:
    """The program's exit code (0 or 7) and its JSON. Other codes are an Error of that kind, with its last line.

    Ctrl-C stops it as the program stops itself: between two steps, so that it can be resumed.
    """
    command = [find_program(), *arguments, "--json"]
    lines: list[str] = []
    show = notebook.Progress().show if progress else None
    with _HeldInterrupt() as interrupt:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, encoding="utf-8", errors="replace",
                                 start_new_session=True)  # Ctrl-C is passed on once, below
        assert child.stdout is not None and child.stderr is not None
        reader = threading.Thread(target=_read_words, args=(child.stderr, lines, show), daemon=True)
        reader.start()
        try:
            interrupt.release()
            text = child.stdout.read()
            code = child.wait()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
        finally:
            reader.join(timeout=5)
    if code not in (0, 7) or (code == 7 and not text.strip()):
        message = next((line for line in reversed(lines) if line.strip()), f"it ended with code {code}")
        raise Error(message.removeprefix("discreet: ").removeprefix("error: "), _KINDS.get(code, "unavailable"))
    result: dict[str, Any] = json.loads(text)
    return code, result


class _HeldInterrupt:
    """Holds Ctrl-C back until release(): one that came while the child was being started would leave it running."""

    def __init__(self) -> None:
        self._came = False
        self._before: Any = None

    def __enter__(self) -> _HeldInterrupt:
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(before):  # no other thread gets signals
            self._before = before
            signal.signal(signal.SIGINT, self._hold)
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        if self._before is None:
            return
        signal.signal(signal.SIGINT, self._before)
        self._before = None
        if self._came:
            signal.raise_signal(signal.SIGINT)

    def _hold(self, *arguments: object) -> None:
        self._came = True


def _read_words(stream: IO[str], lines: list[str], show: Optional[Callable[[str, float, str], None]]) -> None:
    for line in stream:
        line = line.rstrip("\n")
        found = _PROGRESS.match(line)
        if found and show:
            show(found["title"], int(found["percent"]) / 100, found["rest"])
        elif not found:
            lines.append(line)
            if show and not line.startswith("discreet:"):
                print(line, file=sys.stderr)


def flags(settings: dict[str, Any]) -> list[str]:
    """batch_size=256 as --batch-size 256, dry_run=True as --dry-run; None and False are left out."""
    result = []
    for name, value in settings.items():
        if value is None or value is False:
            continue
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool) and name != "header":
            result.append(flag)
        elif isinstance(value, bool):
            result += [flag, "yes"]
        else:
            result += [flag, str(value)]
    return result


def train(data: Any = None, *, progress: bool = True, **settings: Any) -> Package:
    """`discreet train`: data is a file, a folder, a data set's name or a JOB.toml; settings are the program's flags, as
    in train("people.csv", target="income", epsilon=3). resume="people.discreet" goes on with a run. Returns the package.
    """
    if settings.get("dry_run"):
        raise Error("dry_run: discreet.program.plan_of() gives the plan; train() gives a package")
    words = [] if data is None else [str(data)]
    _, result = run(["train", *words, *flags(settings)], progress)
    package = load(result["package"])
    package.result = result
    return package


def plan_of(data: Any, **settings: Any) -> dict[str, Any]:
    """`discreet train --dry-run`: reads no data."""
    _, result = run(["train", str(data), *flags({**settings, "dry_run": True})], progress=False)
    return result

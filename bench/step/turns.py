"""A step in turns: ours and plain training, from C++ and from Python, as four programs of which each works for a moment while
the others wait. What the machine does meanwhile meets all of them, so ratios are exact where those of whole runs are not.

usage: bench/step/turns.py PATH-OF-step_bench [--models a,b] [--turns N] [--seconds S] [--threads T]

Prints for each model of task.json the median time of a step of all four in ms, and the medians over all turns of: private
over plain from C++, Python over C++ of private training and of plain training (which is what the language costs, whoever
trains), and the difference of the private ones; each ratio with an interval that holds it in 95 of 100 runs. "small" is
hardly any arithmetic, and is measured here alone.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
WHO = {"C++ plain": ("step_bench", "plain"), "C++ private": ("step_bench", "private"),
       "Python plain": ("rivals.py", "plain"), "Python private": ("ours.py", "private")}


class Contestant:
    """A process that takes steps when it is asked to."""

    def __init__(self, *command):
        self._process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self, count):
        """Milliseconds of a step, over so many."""
        try:
            print(count, file=self._process.stdin, flush=True)
            return 1e3 * float(self._process.stdout.readline()) / count
        except (BrokenPipeError, ValueError):
            raise SystemExit(f"{' '.join(self._process.args)} stopped: exit status {self._process.wait()}") from None

    def end(self):
        self._process.stdin.close()
        self._process.wait()


def interval(values):
    """Of the median, by order statistics, with a confidence of 95 %: no shape of their distribution is assumed."""
    values, n = sorted(values), len(values)
    below, k = 0.0, 0  # of the binomial distribution with 1/2
    while below + math.comb(n, k) / 2 ** n <= 0.025:
        below += math.comb(n, k) / 2 ** n
        k += 1
    return values[max(0, k - 1)], values[min(n - 1, n - k)]


def measure(model, options):
    """-> by contestant, the milliseconds of each turn"""
    programs = {"step_bench": [options.bench]}
    contestants = {}
    for name, (program, mode) in WHO.items():
        command = programs.get(program) or [sys.executable, HERE / program]
        contestants[name] = Contestant(*command, HERE / "task.json", model, mode, "turns", options.threads)
    look = max(contestant.step(3) for contestant in contestants.values())
    count = max(1, round(1e3 * options.seconds / look))
    turns = {name: [] for name in WHO}
    for turn in range(options.turns):
        for name in list(WHO) if turn % 2 == 0 else reversed(WHO):
            turns[name].append(contestants[name].step(count))
    for contestant in contestants.values():
        contestant.end()
    return turns


def show(model, turns):
    def ratio(above, below):
        ratios = [a / b for a, b in zip(turns[above], turns[below])]
        return "{:.3f} ({:.3f} to {:.3f})".format(statistics.median(ratios), *interval(ratios))

    print(model)
    print("  " + ", ".join(f"{name} {statistics.median(times):.2f} ms" for name, times in turns.items()))
    more = statistics.median(a - b for a, b in zip(turns["Python private"], turns["C++ private"]))
    print(f"  private over plain, C++: {ratio('C++ private', 'C++ plain')}")
    print(f"  Python over C++, private: {ratio('Python private', 'C++ private')}, {more:+.2f} ms; "
          f"plain: {ratio('Python plain', 'C++ plain')}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--models")
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=0.25, help="of a turn; at least one step")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(pathlib.Path(options.bench).parent / "python")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    models = [task["name"] for task in json.loads((HERE / "task.json").read_text())["models"]]
    for model in options.models.split(",") if options.models else models:
        show(model, measure(model, options))


if __name__ == "__main__":
    main()

"""A training step in turns: ours, plain ones and the rivals', as programs of which each works for a moment while the others
wait. What the machine does meanwhile meets all of them, so that their ratios are those of the steps; run.py measures
whole programs one after another, and memory.

usage: bench/step/turns.py PATH-OF-step_bench OUT-FOLDER [--models a,b] [--turns N] [--seconds S] [--threads T] [--timeout S]
                           [--who plain,private,...] [--jax PYTHON]

Prints for each model of task.json the median milliseconds of a step of all that run, and medians over the turns, each with
an interval that holds it in 95 of 100 runs, of: a private step over the plain one of the same implementation, ours over
each rival, and Python over C++ of private and of plain training (what the language costs, whoever trains). "small" is
hardly any arithmetic and is measured here alone. Writes turns.md (the table for people) and turns.json (every turn).
"""
import argparse
import json
import math
import os
import pathlib
import select
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
# Contestants: who computes, the program's word for it, and whose plain step theirs is compared with.
WHO = {"plain": ("step_bench", "plain", None), "plain-drawn": ("step_bench", "plain-drawn", None),
       "private": ("step_bench", "private", "plain"),
       "python-plain": ("rivals.py", "plain", None), "python-private": ("ours.py", "private", "python-plain"),
       "opacus": ("rivals.py", "opacus", "python-plain"), "opacus-ghost": ("rivals.py", "opacus-ghost", "python-plain"),
       "fastdp": ("rivals.py", "fastdp", "python-plain"), "jax-plain": ("jax_rival.py", "jax-plain", None),
       "jax-privacy": ("jax_rival.py", "jax-privacy", "jax-plain")}
RIVALS = ("opacus", "opacus-ghost", "fastdp", "jax-privacy")


class Stopped(Exception):
    """A contestant that takes no steps (any more)."""


class Contestant:
    """A process that takes steps when it is asked to."""

    def __init__(self, command):
        self._process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL, text=True)

    def step(self, count, timeout):
        """Milliseconds of a step, over so many."""
        try:
            print(count, file=self._process.stdin, flush=True)
            if not select.select([self._process.stdout], [], [], timeout)[0]:
                raise Stopped(f"more than {timeout:g} s")
            return 1e3 * float(self._process.stdout.readline()) / count
        except (BrokenPipeError, ValueError):
            raise Stopped("does not run") from None

    def end(self):
        self._process.kill()
        self._process.communicate()


def interval(values):
    """Of the median, by order statistics, with a confidence of 95 %: no shape of their distribution is assumed."""
    values, n = sorted(values), len(values)
    below, k = 0.0, 0  # of the binomial distribution with 1/2
    while below + math.comb(n, k) / 2 ** n <= 0.025:
        below += math.comb(n, k) / 2 ** n
        k += 1
    return values[max(0, k - 1)], values[min(n - 1, n - k)]


def command(options, name, model):
    program, mode, _ = WHO[name]
    python = options.jax if program == "jax_rival.py" else sys.executable
    start = [options.bench] if program == "step_bench" else [python, HERE / program]
    return [*start, HERE / "task.json", model, mode, "turns", options.threads]


def measure(model, options):
    """-> by contestant, the milliseconds of each turn; why others do not run"""
    running, counts, turns, failed = {}, {}, {}, {}
    for name in options.who:
        contestant = Contestant(command(options, name, model))
        try:
            look = contestant.step(1, options.timeout)
        except Stopped as error:
            failed[name] = str(error)
            contestant.end()
            continue
        running[name], counts[name], turns[name] = contestant, max(1, round(1e3 * options.seconds / look)), []
    for turn in range(options.turns):
        for name in list(running) if turn % 2 == 0 else reversed(running):
            try:
                turns[name].append(running[name].step(counts[name], options.timeout))
            except Stopped as error:
                raise SystemExit(f"turns.py: {name} on {model}: {error}") from None
    for contestant in running.values():
        contestant.end()
    return turns, failed


def ratio(turns, above, below):
    """Median and interval of the ratios of neighbours; nothing where one of them does not run."""
    if above not in turns or below not in turns:
        return None
    ratios = [a / b for a, b in zip(turns[above], turns[below])]
    return (statistics.median(ratios), *interval(ratios))


def words(value):
    return "-" if value is None else "{:.2f} ({:.2f} to {:.2f})".format(*value)


def best_rival(turns):
    return min((name for name in RIVALS if name in turns), key=lambda name: statistics.median(turns[name]), default=None)


def show(model, turns, failed):
    print(f"\n{model}")
    for name, times in turns.items():
        line = f"  {name:15}{statistics.median(times):9.2f} ms"
        plain = WHO[name][2]
        if plain in turns:
            line += f"   over its plain {words(ratio(turns, name, plain))}"
        if name == "private" and "plain-drawn" in turns:
            line += f"   over one on Poisson draws {words(ratio(turns, name, 'plain-drawn'))}"
        if name in RIVALS and "private" in turns:
            line += f"   ours over it {words(ratio(turns, 'private', name))}"
        print(line)
    for name, why in failed.items():
        print(f"  {name:15}{why}")
    for kind in ("private", "plain"):
        cost = ratio(turns, "python-" + kind, kind)
        if cost:
            more = statistics.median(a - b for a, b in zip(turns["python-" + kind], turns[kind]))
            print("  Python over C++, {}: {:.3f} ({:.3f} to {:.3f}), {:+.2f} ms".format(kind, *cost, more))
    sys.stdout.flush()


def markdown(all_turns, options):
    def time(turns, name):
        return f"{statistics.median(turns[name]):.4g}" if name in turns else "-"

    lines = ["| model | plain, ms | ours, ms | ours / plain | best rival | its ms | its / its plain | ours / best rival "
             "| Python / C++, ours | Python / C++, plain |", "|---|" + "---:|" * 3 + "---|" + "---:|" * 5]
    for model, turns in all_turns.items():
        rival = best_rival(turns)
        of_rival = [rival, time(turns, rival), words(ratio(turns, rival, WHO[rival][2])),
                    words(ratio(turns, "private", rival))] if rival else ["-"] * 4
        lines.append("| " + " | ".join([
            model, time(turns, "plain"), time(turns, "private"), words(ratio(turns, "private", "plain")), *of_rival,
            words(ratio(turns, "python-private", "private")), words(ratio(turns, "python-plain", "plain"))]) + " |")
    lines += ["", f"{options.threads} threads. Medians of {options.turns} turns, with intervals that hold them in 95 of 100 runs."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--models")
    parser.add_argument("--who", type=lambda names: names.split(","), default=list(WHO))
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a turn; at least one step")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--timeout", type=float, default=60, help="of a turn, the first step and its preparation among them")
    parser.add_argument("--jax", type=pathlib.Path, help="the Python with JAX Privacy; jax/bin/python near step_bench")
    options = parser.parse_args()
    for name in options.who:
        if name not in WHO:
            parser.error(f"--who: no contestant '{name}'; there are {', '.join(WHO)}")
    os.environ["PYTHONPATH"] = str(pathlib.Path(options.bench).parent / "python")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    options.jax = options.jax or pathlib.Path(options.bench).parent / "jax/bin/python"
    if not options.jax.exists():
        options.who = [name for name in options.who if not name.startswith("jax")]
    options.out.mkdir(parents=True, exist_ok=True)
    known = [task["name"] for task in json.loads((HERE / "task.json").read_text())["models"]]
    all_turns = {}
    for model in options.models.split(",") if options.models else known:
        all_turns[model], failed = measure(model, options)
        show(model, all_turns[model], failed)
        (options.out / "turns.json").write_text(json.dumps(all_turns, indent=1))
        (options.out / "turns.md").write_text(markdown(all_turns, options))


if __name__ == "__main__":
    main()

"""A private training step beside a plain one: ours and the rivals', all models of task.json, in one run on one machine.

usage: bench/step/run.py PATH-OF-step_bench OUT-FOLDER [--models a,b] [--rounds N]
                         [--who discreet,discreet-python,plain,opacus,...,jax] [--seconds S] [--threads T] [--timeout S] [--jax PYTHON] [--debian PATH-OF-step_bench]
                         [--markdown FILE]

Run by the Python that has torch (the same libtorch that step_bench is linked with), opacus, fastDP (optional) and
matplotlib; JAX Privacy has a Python of its own, and a step_bench that is linked with Debian's libtorch may be measured as
well: make bench-step. One process for each case, and the cases of a model
one after another in each round, so that a disturbance meets all of them. A case that fails, or whose processes took
longer than half the timeout together, is not repeated.
Writes steps.json (every process's line), steps.md (the table for people) and steps.png, and prints for each model:
milliseconds of a step by the clock (median over rounds of each round's median, and the rounds' range), the memory above
what the process had before the model, private over plain of the same implementation, and ours over the best rival.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import table
from table import DRAWN, FROM_PYTHON, OURS

HERE = pathlib.Path(__file__).parent


def others_load(seconds=0.5):
    """Processors that other programs use just now."""
    def passed():
        with open("/proc/stat") as file:
            numbers = [int(number) for number in file.readline().split()[1:9]]
        return sum(numbers) - numbers[3] - numbers[4], sum(numbers)  # neither idle nor waiting

    busy, total = passed()
    time.sleep(seconds)
    busy_now, total_now = passed()
    return (busy_now - busy) / max(1, total_now - total) * (os.cpu_count() or 1)


def cases_of(who):
    """discreet stands for three, jax and discreet-debian for two; ours from Python is apart."""
    both = {"discreet": [("discreet", "plain"), DRAWN, OURS],
            "discreet-debian": [("discreet-debian", "plain"), ("discreet-debian", "private")],
            "jax": [("jax-plain", "plain"), ("jax-privacy", "private")]}
    return both.get(who) or [(who, "plain" if who.endswith("plain") else "private")]


def run(command, timeout):
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {timeout:g} s"}
    except FileNotFoundError:
        return {"failed": "not installed"}
    if done.returncode == 0 and done.stdout.strip():
        return json.loads(done.stdout.strip().splitlines()[-1])
    if done.returncode == -9:
        return {"failed": "killed, as the system does when memory is short"}
    lines = (done.stderr or done.stdout).strip().splitlines()
    return {"failed": lines[-1] if lines else f"exit status {done.returncode}"}


def one(options, who, mode, model, steps):
    """steps: a number; for rivals also seconds, as "2s"."""
    threads = [str(options.threads)] if options.threads else []
    if who in ("discreet", "discreet-debian"):
        program, as_ = [options.bench if who == "discreet" else options.debian], mode
    elif who == FROM_PYTHON[0]:
        program, as_ = [sys.executable, str(HERE / "ours.py")], mode
    elif who.startswith("jax"):
        program, as_ = [str(options.jax), str(HERE / "jax_rival.py")], who
    else:
        program, as_ = [sys.executable, str(HERE / "rivals.py")], who
    line = run([*program, str(HERE / "task.json"), model, as_, str(steps), *threads], options.timeout)
    return {**line, "who": who, "mode": mode, "model": model}


def measure(options, case, model, steps):
    """One round of a case. steps: remembers how many of ours fill the time, found by a first look of two, which stands
    where two are enough. -> a line"""
    if case[0] not in ("discreet", "discreet-debian"):
        return one(options, *case, model, f"{options.seconds:g}s")
    if case not in steps:
        look = one(options, *case, model, 2)
        if "failed" in look:
            return look
        steps[case] = max(2, min(200, round(options.seconds / look["median"])))
        if steps[case] == 2:
            return look
    return one(options, *case, model, steps[case])


def measure_all(options, models, cases):
    results = []
    for model in models:
        steps, spent = {}, dict.fromkeys(cases, 0.0)
        for round_ in range(options.rounds):
            load = others_load()
            if load > 0.2:
                print(f"run.py: other programs use {load:.1f} processors: stop them, or measure again later", file=sys.stderr)
            for case in cases if round_ % 2 == 0 else reversed(cases):
                if spent[case] > options.timeout / 2:
                    continue
                start = time.monotonic()
                results.append(measure(options, case, model, steps))
                spent[case] += time.monotonic() - start
                if "failed" in results[-1]:
                    spent[case] = float("inf")
                print(json.dumps(results[-1]), file=sys.stderr, flush=True)
        (options.out / "steps.json").write_text(json.dumps(results, indent=1))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--models")
    parser.add_argument("--who", default="discreet,discreet-python,plain,opacus,opacus-ghost,fastdp,jax")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="about how long a process measures")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--timeout", type=float, default=120, help="of a process")
    parser.add_argument("--jax", type=pathlib.Path, help="the Python with JAX Privacy; jax/bin/python near step_bench")
    parser.add_argument("--debian", help="a step_bench that is linked with Debian's libtorch")
    parser.add_argument("--markdown", type=pathlib.Path, help="where to write the table; OUT-FOLDER/steps.md")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(pathlib.Path(options.bench).parent / "python")
    options.jax = options.jax or pathlib.Path(options.bench).parent / "jax/bin/python"
    known = [task["name"] for task in json.loads((HERE / "task.json").read_text())["models"] if not task.get("aside")]
    models = options.models.split(",") if options.models else known
    everyone = options.who.split(",") + (["discreet-debian"] if options.debian else [])
    cases = [case for who in everyone for case in cases_of(who)]
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as compiled:  # JAX compiles a case once, not once a round
        os.environ["JAX_COMPILATION_CACHE_DIR"] = compiled
        results = measure_all(options, models, cases)
    made = table.sums(results, cases, models)
    table.show(made)
    threads = options.threads or len(os.sched_getaffinity(0))
    (options.markdown or options.out / "steps.md").write_text(table.markdown(made, threads, options.rounds))
    table.plot(made, options.out / "steps.png")


if __name__ == "__main__":
    main()

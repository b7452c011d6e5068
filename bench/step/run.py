"""A private training step beside a plain one: ours and the rivals', all models of task.json, on one machine in one go.

usage: bench/step/run.py PATH-OF-step_bench OUT-FOLDER [--models a,b] [--who plain,private,...] [--turns N] [--seconds S]
                         [--threads T] [--timeout S] [--device D] [--jax PYTHON] [--debian PATH-OF-step_bench]

Each contestant is a program of its own, and they take turns: each works for a moment while the others wait, so that what
the machine does meanwhile meets all of them. Ours and the plain ones start anew for each of four rounds, because where a
program's pages lie moves its times by some percent for as long as it runs; the others, further off, take part in the first.
Run by the Python that has torch (the same libtorch that step_bench is linked with), opacus, fastDP (optional) and
matplotlib; JAX Privacy has a Python of its own, and a step_bench that is linked with Debian's libtorch may be measured as
well: make bench-step.
Prints for each model the median milliseconds of a step and the peak memory above what the process had before the model
was made, and medians over the turns, each with an interval that holds it in 95 of 100 runs, of: a private step over the
plain one of the same implementation, ours over each rival, and Python over C++ (what the language costs, whoever trains).
Both sides draw by Poisson; "plain-equal" has batches of one size. The floor is what the arithmetic of the norms and the
random bits of the noise add to a plain step at least ("step_bench parts", in parts.txt, says where the time goes).
Writes steps.md (the table for people), steps.png and steps.json (every turn). "small" is hardly any arithmetic, and is
measured where it is asked for.
"""
import argparse
import json
import os
import pathlib
import select
import statistics
import subprocess
import sys
import time

import table

HERE = pathlib.Path(__file__).parent
# Contestants: the program, and its word for what it does.
WHO = {"plain": ("step_bench", "plain"), "plain-equal": ("step_bench", "plain-equal"), "private": ("step_bench", "private"),
       "python-plain": ("rivals.py", "plain"), "python-private": ("ours.py", "private"),
       "opacus": ("rivals.py", "opacus"), "opacus-ghost": ("rivals.py", "opacus-ghost"), "fastdp": ("rivals.py", "fastdp"),
       "jax-plain": ("jax_rival.py", "jax-plain"), "jax-privacy": ("jax_rival.py", "jax-privacy"),
       "debian-plain": ("debian", "plain"), "debian-private": ("debian", "private")}
ALWAYS = ("plain", "plain-equal", "private", "python-plain", "python-private")  # the others, in the first round
ROUNDS = 4
KILLED = "killed, as the system does when memory is short"


class Stopped(Exception):
    """A contestant that takes no steps (any more)."""


class Contestant:
    """A process that takes steps when it is asked to."""

    def __init__(self, command, environment, timeout):
        self._process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        self._timeout = timeout
        self.hello = json.loads(self._answer())

    def step(self, count):
        """Milliseconds of a step, over so many."""
        try:
            print(count, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise Stopped("ended") from None
        return 1e3 * float(self._answer()) / count

    def rise(self):
        """MiB of its peak above what it had before the model was made."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
        return peak - self.hello["before_mib"]

    def end(self):
        self._process.kill()
        self._process.communicate()

    def _answer(self):
        if not select.select([self._process.stdout], [], [], self._timeout)[0]:
            self.end()
            raise Stopped(f"more than {self._timeout:g} s")
        line = self._process.stdout.readline()
        if line:
            return line
        lines = self._process.stderr.read().strip().splitlines()
        if self._process.wait() == -9:
            raise Stopped(KILLED)
        raise Stopped(lines[-1] if lines else f"exit status {self._process.returncode}")


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


def start(options, name, model):
    program, word = WHO[name]
    first = {"step_bench": [options.bench], "debian": [options.debian],
             "jax_rival.py": [options.jax, HERE / program]}.get(program, [sys.executable, HERE / program])
    # Threads that wait by working would take the processors from OpenBLAS's own, which Debian's libtorch uses beside them.
    environment = {"OMP_WAIT_POLICY": "passive"} if program == "debian" else {}
    return Contestant([*first, HERE / "task.json", model, word, "turns", options.threads], environment, options.timeout)


def measure(model, options):
    """-> by contestant its turns, memory and size; why others do not run"""
    of, failed = {}, {}
    for number in range(ROUNDS):
        take_a_round(model, options, [name for name in options.who if number == 0 or name in ALWAYS], of, failed)
    crowded = [name for name, why in failed.items() if why == KILLED]
    if crowded:  # once more, with nobody but those that they are compared with
        beside = {"private", *crowded, *(table.PLAIN[name] for name in crowded if name in table.PLAIN)}
        for name in crowded:
            del failed[name]
        take_a_round(model, options, [name for name in options.who if name in beside], of, failed)
    turns = max((len(one["turns"]) for one in of.values()), default=0)
    for one in of.values():
        one["mib"] = statistics.median(one["mib"])
        one["turns"] += [None] * (turns - len(one["turns"]))
    return of, failed


def take_a_round(model, options, names, of, failed):
    """Adds each one's turns to `of`; who stops is moved from there to `failed`."""
    running, counts = {}, {}
    before = max((len(one["turns"]) for one in of.values()), default=0)
    for name in names:
        if name in failed:
            continue
        try:
            contestant = start(options, name, model)
            running[name], counts[name] = contestant, max(1, round(1e3 * options.seconds / contestant.step(1)))
            one = of.setdefault(name, {"turns": [], "mib": [], "trained": contestant.hello["trained"],
                                       "operations": contestant.hello.get("operations")})
            one["turns"] += [None] * (before - len(one["turns"]))
        except (Stopped, OSError) as error:
            failed[name] = str(error)
            of.pop(name, None)
    table.check(model, of)
    load = others_load()
    if load > 0.2:
        print(f"run.py: other programs use {load:.1f} processors: stop them, or measure again later", file=sys.stderr)
    for turn in range(options.turns):
        for name in list(running) if turn % 2 == 0 else list(reversed(running)):
            try:
                running[name].step(1)  # the caches, and the pages that the system took away meanwhile, come back
                of[name]["turns"].append(running[name].step(counts[name]))
            except Stopped as error:  # its turns so far were perhaps hindered by what ended it
                failed[name] = str(error)
                del running[name], of[name]
    for name, contestant in running.items():
        of[name]["mib"].append(contestant.rise())
        contestant.end()


def parts(model, options):
    """What step_bench says of where a private step's time goes, and milliseconds of the floors that it found."""
    done = subprocess.run([options.bench, HERE / "task.json", model, "parts", "5", str(options.threads)], text=True,
                          capture_output=True, check=True)
    return done.stdout, sum(float(line.split()[0]) for line in done.stdout.splitlines() if " floor of " in line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--models")
    parser.add_argument("--who", type=lambda names: names.split(","), default=list(WHO))
    parser.add_argument("--turns", type=int, default=8, help="of each round")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn; at least one step")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--timeout", type=float, default=120, help="of a turn, and of what comes before the first")
    parser.add_argument("--device", default="cpu", help="as torch names it, \"cuda\" for instance: JAX and Debian's libtorch "
                        "take no part then, the memory is the processor's, and there is no floor")
    parser.add_argument("--jax", type=pathlib.Path, help="the Python with JAX Privacy; jax/bin/python near step_bench")
    parser.add_argument("--debian", help="a step_bench that is linked with Debian's libtorch")
    options = parser.parse_args()
    for name in options.who:
        if name not in WHO:
            parser.error(f"--who: no contestant '{name}'; there are {', '.join(WHO)}")
    os.environ["PYTHONPATH"] = str(pathlib.Path(options.bench).parent / "python")
    options.jax = options.jax or pathlib.Path(options.bench).parent / "jax/bin/python"
    if not options.debian:
        options.who = [name for name in options.who if not name.startswith("debian")]
    os.environ["STEP_DEVICE"] = options.device
    if options.device != "cpu":
        options.who = [name for name in options.who if not name.startswith(("debian", "jax"))]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "parts.txt").write_text("")
    known = [task["name"] for task in json.loads((HERE / "task.json").read_text())["models"] if not task.get("aside")]
    results = {}
    for model in options.models.split(",") if options.models else known:
        of, failed = measure(model, options)
        results[model] = {"of": of, "failed": failed}
        if "private" in of and options.device == "cpu":
            text, results[model]["floor_ms"] = parts(model, options)
            with open(options.out / "parts.txt", "a") as file:
                file.write(f"{model}\n{text}\n")
        for one in of.values():
            del one["operations"]
        table.show(model, results[model])
        (options.out / "steps.json").write_text(json.dumps(results, indent=1))
        (options.out / "steps.md").write_text(table.markdown(results, options.threads, ROUNDS * options.turns))
    table.plot(results, options.out / "steps.png")


if __name__ == "__main__":
    main()

"""How the time of a step grows with the batch, the sequence, the vocabulary and the layers: ours, private and plain.

usage: bench/step/growth.py PATH-OF-step_bench OUT-FOLDER [--of batch-mlp,...] [--seconds S] [--rounds N] [--threads T]

Times are of processors, a sample: on one thread (the default) those of the clock, and what a busy machine falsifies
least. The noise is on every number that is trained, whatever the sample, so it is shown apart: its share is that of
step_bench's "parts". A slope is the exponent of the size: 1 is in proportion. Growth is "no faster" where private over
plain at the largest size is at most 1.15 times its median over the smaller half of the sizes.
Writes growth.json and growth.png, and prints the table. Run by a Python with matplotlib: make bench-growth.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import tempfile

LEAST, MOST = 3, 50  # steps of a process
SLACK = 1.15

CNN = {"kind": "cnn", "input": [3, 16, 16], "channels": [16, 16, 32, 32], "groups": 4}
WORDS = {"kind": "transformer", "vocabulary": 100, "width": 64, "heads": 4, "layers": 1, "rank": 0}
LSTM = {"kind": "lstm", "vocabulary": 100, "width": 32, "hidden": 64, "mean": True}
# What grows, its sizes, and the task with it at size n.
QUANTITIES = {
    "batch-mlp": ("batch", [2 ** k for k in range(5, 13)],
                  lambda n: {"kind": "mlp", "batch": n, "input": [256], "widths": [256, 256]}),
    "batch-cnn": ("batch", [2 ** k for k in range(5, 13)], lambda n: {**CNN, "batch": n}),
    "sequence-transformer": ("tokens", [2 ** k for k in range(5, 12)], lambda n: {**WORDS, "batch": 16, "tokens": n}),
    "sequence-lstm": ("tokens", [2 ** k for k in range(5, 12)], lambda n: {**LSTM, "batch": 32, "tokens": n}),
    # An embedding, its mean over the sequence and a linear layer.
    "vocabulary": ("vocabulary", [round(10 ** (k / 2)) for k in range(6, 13)],
                   lambda n: {**WORDS, "vocabulary": n, "width": 16, "layers": 0, "batch": 64, "tokens": 32}),
    "layers-mlp": ("layers", [2, 4, 8, 16, 32, 48],
                   lambda n: {"kind": "mlp", "batch": 256, "input": [64], "widths": [64] * n}),
    "layers-transformer": ("layers", [2, 4, 8, 16, 32, 48],
                           lambda n: {**WORDS, "layers": n, "batch": 16, "tokens": 32}),
}


class Bench:
    def __init__(self, options, folder):
        self.options, self.path = options, pathlib.Path(folder) / "task.json"

    def __call__(self, task, mode, steps):
        self.path.write_text(json.dumps({"max_grad_norm": 1, "noise_multiplier": 1, "learning_rate": 0.01,
                                         "batches_of_data": 4, "models": [{"name": "it", "classes": 10, **task}]}))
        command = [self.options.bench, str(self.path), "it", mode, str(steps), str(self.options.threads)]
        done = subprocess.run(command, text=True, capture_output=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def seconds(self, task, mode, steps):
        return json.loads(self(task, mode, steps))["cpu"]

    def noise(self, task, steps):
        """Its share of a private step."""
        lines = self(task, "parts", steps).splitlines()

        def of(name):
            return sum(float(line.split()[0]) for line in lines if line.endswith(" " + name))

        return of("noise") / of("all")


def measure(bench, task, steps, rounds):
    """Medians over rounds, one mode after another, so that a disturbance meets all of them. -> seconds of a sample"""
    times = [(bench.seconds(task, "plain", steps), bench.seconds(task, "private", steps), bench.noise(task, steps))
             for _ in range(rounds)]
    plain, private, share = (statistics.median(column) for column in zip(*times))
    return {"plain": plain / task["batch"], "private": private / task["batch"],
            "noise": share * private / task["batch"], "without_noise": (1 - share) * private / task["batch"]}


def slope(points, key):
    """Of least squares through the logarithms."""
    xs, ys = [math.log(p["size"]) for p in points], [math.log(p[key]) for p in points]
    return statistics.linear_regression(xs, ys).slope


def growth(points):
    """The slopes of the smaller and of the larger half of the sizes (the middle one is in both), and the ratio's."""
    half = (len(points) + 1) // 2
    found = {}
    for key in ("plain", "private", "without_noise"):
        found[key] = {"small": slope(points[:half], key), "large": slope(points[-half:], key)}
        if key != "plain":
            ratios = [p[key] / p["plain"] for p in points]
            before = statistics.median(ratios[:half])
            found[key] |= {"ratio_small": before, "ratio_last": ratios[-1], "no_faster": ratios[-1] <= SLACK * before}
    return found


def show(name, what, points, found):
    print(f"\n{name}\n  {what:>10} {'plain':>11} {'private':>11} {'noise':>11}   private / plain   without noise")
    for p in points:
        print(f"  {p['size']:10} " + " ".join(f"{1e6 * p[key]:8.1f} us" for key in ("plain", "private", "noise"))
              + f"   {p['private'] / p['plain']:15.2f}   {p['without_noise'] / p['plain']:13.2f}")
    for key, title in (("private", "private"), ("without_noise", "without noise")):
        f, plain = found[key], found["plain"]
        print(f"  {title}: slope {f['small']:.2f}, then {f['large']:.2f} (plain {plain['small']:.2f}, then "
              f"{plain['large']:.2f}); ratio {f['ratio_small']:.2f}, at last {f['ratio_last']:.2f}: grows "
              + ("no faster than plain" if f["no_faster"] else "FASTER than plain"), flush=True)


def plot(results, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    columns = (len(results) + 1) // 2
    figure, axes = pyplot.subplots(2, columns, figsize=(4 * columns, 7), squeeze=False)
    for axis, (name, result) in zip(axes.flat, results.items()):
        sizes = [p["size"] for p in result["points"]]
        for key, style in (("plain", "o-"), ("private", "s-"), ("without_noise", "^--")):
            axis.loglog(sizes, [1e6 * p[key] for p in result["points"]], style, label=key.replace("_", " "))
        axis.set(title=name, xlabel=result["what"], ylabel="us a sample")
        axis.set_xticks(sizes, [f"{n:,}" for n in sizes], rotation=40)
        axis.minorticks_off()
    for axis in list(axes.flat)[len(results):]:
        axis.axis("off")
    axes.flat[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--of", default=",".join(QUANTITIES))
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long a process measures")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        for name in options.of.split(","):
            what, sizes, task_of = QUANTITIES[name]
            points, steps = [], LEAST
            for size in sizes:
                if points:  # as many as fill the time where a step takes as long as at the size before
                    last = points[-1]["private"] * task_of(points[-1]["size"])["batch"]
                    steps = max(LEAST, min(MOST, round(options.seconds / last)))
                points.append({"size": size, **measure(bench, task_of(size), steps, options.rounds)})
            results[name] = {"what": what, "points": points, "growth": growth(points)}
            show(name, what, points, results[name]["growth"])
            (options.out / "growth.json").write_text(json.dumps(results, indent=1))
    plot(results, options.out / "growth.png")


if __name__ == "__main__":
    main()

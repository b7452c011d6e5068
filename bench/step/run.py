"""A private training step beside a plain one: ours and the rivals', all models of task.json, in one run on one machine.

usage: bench/step/run.py PATH-OF-step_bench OUT-FOLDER [--models a,b] [--who discreet,opacus,...] [--rounds N]
                         [--seconds S] [--threads T]

Run by the Python that has torch (the same libtorch that step_bench is linked with), opacus, fastDP (optional) and
matplotlib: make bench-step. One process for each case, and the cases of a model one after another in each round, so that
a disturbance meets all of them. Writes steps.json (every process's line) and steps.png, and prints for each model:
milliseconds of a step by the clock (median over rounds of each round's median, and the rounds' range), private over
plain of the same implementation, the memory above what the process had before the model, and ours over the best rival.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
RIVALS = ("opacus", "opacus-ghost", "fastdp")


def run(command, timeout):
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {timeout} s"}
    if done.returncode == 0 and done.stdout.strip():
        return json.loads(done.stdout.strip().splitlines()[-1])
    lines = (done.stderr or done.stdout).strip().splitlines()
    return {"failed": lines[-1] if lines else f"exit status {done.returncode}"}


def one(bench, who, mode, model, steps, options):
    threads = [str(options.threads)] if options.threads else []
    task = str(HERE / "task.json")
    if who == "discreet":
        command = [bench, task, model, mode, str(steps), *threads]
    else:
        command = [sys.executable, str(HERE / "rivals.py"), task, model, who, str(steps), *threads]
    return {"who": who, "mode": mode, "model": model, **run(command, options.timeout)}


def summary(lines):
    """Of the processes of one case: median of their medians, their range, processors' seconds, memory."""
    good = [line for line in lines if "failed" not in line]
    if not good:
        return None
    medians = sorted(line["median"] for line in good)
    return {"ms": 1e3 * statistics.median(medians), "low": 1e3 * medians[0], "high": 1e3 * medians[-1],
            "cpu_ms": 1e3 * statistics.median(line["cpu"] for line in good),
            "mib": statistics.median(line["rise_mib"] for line in good), "trained": good[0]["trained"]}


def table(results, cases, models):
    rows = []
    for model in models:
        of = {case: summary([r for r in results if r["model"] == model and (r["who"], r["mode"]) == case]) for case in cases}
        sizes = {s["trained"] for case, s in of.items() if s and not (model == "lstm" and case[0].startswith("opacus"))}
        if len(sizes) > 1:
            raise SystemExit(f"{model}: the contestants train different numbers of parameters: {sizes}")
        best = min((s["ms"] for (who, _), s in of.items() if who in RIVALS and s), default=None)
        print(f"\n{model}")
        for (who, mode), s in of.items():
            if s is None:
                reason = next((r["failed"] for r in results if r["model"] == model and (r["who"], r["mode"]) == (who, mode)), "")
                print(f"  {who:13} {mode:8} failed: {reason[:90]}")
                continue
            plain = of.get(("discreet" if who == "discreet" else "plain", "plain"))
            line = f"  {who:13} {mode:8} {s['ms']:9.1f} ms ({s['low']:.1f} to {s['high']:.1f}) {s['mib']:8.0f} MiB"
            if mode == "private" and plain:
                line += f"   {s['ms'] / plain['ms']:6.2f} x plain ({s['cpu_ms'] / plain['cpu_ms']:.2f} in processor time)"
            if who == "discreet" and mode == "private" and best:
                line += f"   {s['ms'] / best:5.2f} x the best rival"
            print(line)
            rows.append({"model": model, "who": who, "mode": mode, **s})
    return rows


def plot(rows, models, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    contestants = [who for who in ("discreet", *RIVALS) if any(r["who"] == who and r["mode"] == "private" for r in rows)]
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4))
    for axis, key, title in ((axes[0], "ms", "private step over plain step"), (axes[1], "mib", "memory, MiB")):
        for i, who in enumerate(contestants):
            xs, ys = [], []
            for j, model in enumerate(models):
                cell = {(r["who"], r["mode"]): r for r in rows if r["model"] == model}
                private, plain = cell.get((who, "private")), cell.get(("discreet" if who == "discreet" else "plain", "plain"))
                if private and plain:
                    xs.append(j + 0.8 * i / len(contestants))
                    ys.append(private[key] / plain[key] if key == "ms" else private[key])
            axis.bar(xs, ys, width=0.8 / len(contestants), align="edge", label=who)
        axis.set_xticks([j + 0.4 for j in range(len(models))], models, rotation=20)
        axis.set_yscale("log")
        axis.set_title(title)
    axes[0].axhline(1, color="black", linewidth=0.5)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--models")
    parser.add_argument("--who", default=",".join(("discreet", "plain", *RIVALS)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="about how long a process measures")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--timeout", type=float, default=600)
    options = parser.parse_args()
    with open(HERE / "task.json") as file:
        known = [task["name"] for task in json.load(file)["models"]]
    models = options.models.split(",") if options.models else known
    cases = [case for who in options.who.split(",")
             for case in ([("discreet", "plain"), ("discreet", "private")] if who == "discreet"
                          else [(who, "plain" if who == "plain" else "private")])]
    options.out.mkdir(parents=True, exist_ok=True)
    results = []
    for model in models:
        steps = {}
        for round_ in range(options.rounds):
            for case in cases if round_ % 2 == 0 else reversed(cases):
                if case not in steps:  # a first look says how many steps fill the time
                    look = one(options.bench, *case, model, 2, options)
                    steps[case] = None if "failed" in look else max(3, min(200, round(options.seconds / look["median"])))
                    if steps[case] is None:
                        results.append(look)
                if steps[case]:
                    results.append(one(options.bench, *case, model, steps[case], options))
                    print(json.dumps(results[-1]), file=sys.stderr, flush=True)
        with open(options.out / "steps.json", "w") as file:
            json.dump(results, file, indent=1)
    rows = table(results, cases, models)
    plot(rows, models, options.out / "steps.png")


if __name__ == "__main__":
    main()

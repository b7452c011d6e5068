"""What run.py makes of its processes' lines: the table that it prints, the one for people, and the plot."""
import statistics

RIVALS = ("opacus", "opacus-ghost", "fastdp", "jax-privacy")
OURS = ("discreet", "private")
FROM_PYTHON = ("discreet-python", "private")
DRAWN = ("discreet", "plain-drawn")  # plain training on Poisson draws, whose sizes differ as a private step's do
DEBIAN = ("discreet-debian", "private")
# Whose plain step is a private one's own; else "plain".
PLAIN = {"discreet": "discreet", "discreet-debian": "discreet-debian", "jax-privacy": "jax-plain"}


def plain_of(who):
    return PLAIN.get(who, "plain"), "plain"


def summary(lines):
    """Of the processes of one case: median of their medians, their range, processors' seconds, memory; or why not."""
    good = [line for line in lines if "failed" not in line]
    if not good:
        return {"failed": lines[0]["failed"]} if lines else None
    medians = sorted(line["median"] for line in good)
    return {"ms": 1e3 * statistics.median(medians), "low": 1e3 * medians[0], "high": 1e3 * medians[-1],
            "cpu_ms": 1e3 * statistics.median(line["cpu"] for line in good),
            "mib": statistics.median(line["rise_mib"] for line in good), "trained": good[0]["trained"]}


def sums(results, cases, models):
    """-> by model, by case (who, mode): the summary."""
    made = {}
    for model in models:
        of = {case: summary([r for r in results if r["model"] == model and (r["who"], r["mode"]) == case])
              for case in cases}
        made[model] = {case: s for case, s in of.items() if s}
        # DPLSTM has one bias where the others have two
        sizes = {s["trained"] for (who, _), s in made[model].items()
                 if "failed" not in s and not (model == "lstm" and who.startswith("opacus"))}
        if len(sizes) > 1:
            raise SystemExit(f"{model}: the contestants train different numbers of parameters: {sizes}")
    return made


def ratio(of, case, base, key="ms"):
    above, below = of.get(case, {}), of.get(base, {})
    return above[key] / below[key] if key in above and key in below else None


def best_rival(of):
    return min(((who, "private") for who in RIVALS if "ms" in of.get((who, "private"), {})),
               key=lambda case: of[case]["ms"], default=None)


def show(made):
    for model, of in made.items():
        print(f"\n{model}")
        for (who, mode), s in of.items():
            if "failed" in s:
                print(f"  {who:15} {mode:11} failed: {s['failed'][:90]}")
                continue
            line = f"  {who:15} {mode:11} {s['ms']:9.1f} ms ({s['low']:.1f} to {s['high']:.1f}) {s['mib']:8.0f} MiB"
            times = ratio(of, (who, mode), plain_of(who))
            if mode == "private" and times:
                cpu = ratio(of, (who, mode), plain_of(who), "cpu_ms")
                line += f"   {times:6.2f} x plain ({cpu:.2f} in processor time)"
            if (who, mode) == OURS and ratio(of, OURS, DRAWN):
                line += f"   {ratio(of, OURS, DRAWN):5.2f} x plain on such draws"
            if (who, mode) == OURS and best_rival(of):
                line += f"   {ratio(of, OURS, best_rival(of)):5.2f} x the best rival"
            if (who, mode) == FROM_PYTHON and ratio(of, FROM_PYTHON, OURS):
                line += f"   {ratio(of, FROM_PYTHON, OURS):5.2f} x the same from C++"
            print(line)


def markdown(made, threads, rounds):
    """The table for a README: what a private step costs, of ours and of the fastest rival."""
    def cell(value, form):
        return "-" if value is None else format(value, form)

    lines = ["| model | plain, ms | ours, ms | ours / plain | and / plain on such draws | memory, ours / plain "
             "| and / plain on such draws | best rival | its ms | its / its plain | ours / best rival |",
             "|---|" + "---:|" * 6 + "---|" + "---:|" * 3]
    failures = []
    for model, of in made.items():
        plain, rival = plain_of("discreet"), best_rival(of)
        cells = [model, cell(of.get(plain, {}).get("ms"), ".1f"), cell(of.get(OURS, {}).get("ms"), ".1f"),
                 cell(ratio(of, OURS, plain), ".2f"), cell(ratio(of, OURS, DRAWN), ".2f"),
                 cell(ratio(of, OURS, plain, "mib"), ".2f"), cell(ratio(of, OURS, DRAWN, "mib"), ".2f")]
        cells += [rival[0], f"{of[rival]['ms']:.1f}", cell(ratio(of, rival, plain_of(rival[0])), ".2f"),
                  cell(ratio(of, OURS, rival), ".2f")] if rival else ["-"] * 4
        lines.append("| " + " | ".join(cells) + " |")
        failures += [f"{who} on {model} ({s['failed'][:60]})" for (who, _), s in of.items() if "failed" in s]
    lines += ["", f"{threads} threads. Milliseconds of a step by the clock, the median of {rounds} rounds; memory "
              "above what the process had before the model. Both also beside plain training on Poisson draws: their "
              "sizes differ from step to step, and the allocator keeps the holes."]
    python = [f"{model} {ratio(of, FROM_PYTHON, OURS):.2f}" for model, of in made.items() if ratio(of, FROM_PYTHON, OURS)]
    if python:
        lines += ["", "Ours from Python over ours from C++: " + ", ".join(python) + "."]
    debian = [f"{model} {of[DEBIAN]['ms']:.1f} beside {of[plain_of(DEBIAN[0])]['ms']:.1f} ms"
              for model, of in made.items() if ratio(of, DEBIAN, plain_of(DEBIAN[0]))]
    if debian:
        lines += ["", "Ours beside plain with Debian's libtorch, in the same run: " + ", ".join(debian) + "."]
    if failures:
        lines += ["", "Not measured: " + "; ".join(failures) + "."]
    return "\n".join(lines) + "\n"


def plot(made, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    contestants = [who for who in ("discreet", *RIVALS)
                   if any("ms" in of.get((who, "private"), {}) for of in made.values())]
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4))
    for axis, title in zip(axes, ("private step over plain step", "memory of private training, MiB")):
        for i, who in enumerate(contestants):
            for j, of in enumerate(made.values()):
                private = of.get((who, "private"), {})
                height = ratio(of, (who, "private"), plain_of(who)) if axis is axes[0] else private.get("mib")
                axis.bar(j + 0.8 * i / len(contestants), height or 0, width=0.8 / len(contestants), align="edge",
                         color=f"C{i}", label=who if j == 0 else None)
        axis.set_xticks([j + 0.4 for j in range(len(made))], list(made), rotation=20)
        axis.set_yscale("log")
        axis.set_title(title)
    axes[0].axhline(1, color="black", linewidth=0.5)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)

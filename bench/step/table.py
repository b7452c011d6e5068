"""What run.py makes of the turns: what it prints, the table for people, and the plot."""
import math
import statistics
import sys

RIVALS = ("opacus", "opacus-ghost", "fastdp", "jax-privacy")
ONE_LIBTORCH = ("plain", "plain-equal", "private", "python-plain", "python-private")
# Whose plain step a private one is compared with: that of its own implementation.
PLAIN = {"private": "plain", "python-private": "python-plain", "opacus": "python-plain", "opacus-ghost": "python-plain",
         "fastdp": "python-plain", "jax-privacy": "jax-plain", "debian-private": "debian-plain"}


def interval(values):
    """Of the median, by order statistics, with a confidence of 95 %: no shape of their distribution is assumed."""
    values, n = sorted(values), len(values)
    below, k = 0.0, 0  # of the binomial distribution with 1/2
    while below + math.comb(n, k) / 2 ** n <= 0.025:
        below += math.comb(n, k) / 2 ** n
        k += 1
    return values[max(0, k - 1)], values[min(n - 1, n - k)]


def check(model, of):
    """All train the same number of parameters; but DPLSTM has one bias where the others have two. With one libtorch, in
    C++ and Python, the model is of the same operations: each would otherwise be compared with another's work."""
    sizes = {one["trained"] for name, one in of.items() if not (model == "lstm" and name.startswith("opacus"))}
    if len(sizes) > 1:
        raise SystemExit(f"{model}: the contestants train different numbers of parameters: {sizes}")
    graphs = {name: one["operations"] for name, one in of.items() if name in ONE_LIBTORCH}
    for name, graph in graphs.items():
        first = next(iter(graphs.values()))
        if graph != first:
            raise SystemExit(f"{model}: {name} has other operations than {next(iter(graphs))}: "
                             f"{sorted(set(graph.items()) ^ set(first.items()))}")


def median(of, name):
    return statistics.median(turn for turn in of[name]["turns"] if turn is not None)


def both(of, one, other):
    """What they took in the turns that both had."""
    return [(a, b) for a, b in zip(of[one]["turns"], of[other]["turns"]) if a is not None and b is not None]


def ratio(of, above, below):
    """Median and interval of the ratios of neighbours; nothing where one of them does not run."""
    if above not in of or below not in of:
        return None
    ratios = [a / b for a, b in both(of, above, below)]
    return (statistics.median(ratios), *interval(ratios))


def memory(of, above, below):
    return of[above]["mib"] / of[below]["mib"] if above in of and below in of else None


def floor(result):
    return 1 + result["floor_ms"] / median(result["of"], "plain") if "floor_ms" in result and "plain" in result["of"] else None


def best_rival(of):
    return min((name for name in RIVALS if name in of), key=lambda name: median(of, name), default=None)


def words(value):
    return "-" if value is None else "{:.2f} ({:.2f} to {:.2f})".format(*value)


def number(value):
    return "-" if value is None else f"{value:.2f}"


def show(model, result):
    of = result["of"]
    print(f"\n{model}")
    for name in of:
        line = f"  {name:15}{median(of, name):9.2f} ms {of[name]['mib']:7.0f} MiB"
        plain = PLAIN.get(name)
        if plain in of:
            line += f"   over its plain {words(ratio(of, name, plain))}, memory {memory(of, name, plain):.2f}"
        if name in RIVALS and "private" in of:
            line += f"   ours over it {words(ratio(of, 'private', name))}"
        print(line)
    for name, why in result["failed"].items():
        print(f"  {name:15}{why[:90]}")
    if ratio(of, "private", "plain-equal"):
        print(f"  beside batches of one size: {words(ratio(of, 'private', 'plain-equal'))}, memory "
              f"{memory(of, 'private', 'plain-equal'):.2f}")
    for kind in ("private", "plain"):
        cost = ratio(of, "python-" + kind, kind)
        if cost:
            more = statistics.median(a - b for a, b in both(of, "python-" + kind, kind))
            print("  Python over C++, {}: {:.3f} ({:.3f} to {:.3f}), {:+.2f} ms".format(kind, *cost, more))
    if floor(result):
        print(f"  floor: {floor(result):.2f} x plain")
    sys.stdout.flush()


def markdown(results, threads, turns):
    lines = ["| model | plain, ms | ours, ms | ours / plain | its floor | memory, ours / plain | best rival | its ms "
             "| its / its plain | ours / best rival | memory, ours / its |", "|---|" + "---:|" * 5 + "---|" + "---:|" * 4]
    for model, result in results.items():
        of = result["of"]
        rival = best_rival(of)
        of_rival = [rival, f"{median(of, rival):.4g}", words(ratio(of, rival, PLAIN[rival])), words(ratio(of, "private", rival)),
                    number(memory(of, "private", rival))] if rival else ["-"] * 5
        times = [f"{median(of, name):.4g}" if name in of else "-" for name in ("plain", "private")]
        lines.append("| " + " | ".join([model, *times, words(ratio(of, "private", "plain")), number(floor(result)),
                                        number(memory(of, "private", "plain")), *of_rival]) + " |")
    lines += ["", f"{threads} threads. Medians of {turns} turns (rivals: a quarter), with intervals that hold them in 95 of 100 runs; "
              "memory above what the process had before the model. Both sides draw by Poisson."]

    def every(title, form):
        said = [f"{model} {form(result['of'])}" for model, result in results.items() if form(result["of"])]
        if said:
            lines.extend(["", f"{title}: " + "; ".join(said) + "."])

    def pair(*ratios):
        return ", ".join(f"{one if isinstance(one, float) else one[0]:.2f}" for one in ratios) if all(ratios) else ""

    every("Beside plain training with batches of one size, time and memory", lambda of: pair(
        ratio(of, "private", "plain-equal"), memory(of, "private", "plain-equal")))
    every("Python over C++, of private steps and of plain ones", lambda of: pair(
        ratio(of, "python-private", "private"), ratio(of, "python-plain", "plain")))
    every("With Debian's libtorch, ours beside plain in ms", lambda of: f"{median(of, 'debian-private'):.4g}, "
          f"{median(of, 'debian-plain'):.4g}" if "debian-private" in of and "debian-plain" in of else "")
    failed = [f"{name} on {model} ({why[:60]})" for model, result in results.items() for name, why in result["failed"].items()]
    if failed:
        lines += ["", "Not measured: " + "; ".join(failed) + "."]
    return "\n".join(lines) + "\n"


def plot(results, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    contestants = [name for name in ("private", *RIVALS) if any(name in result["of"] for result in results.values())]
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4))
    for axis, title in zip(axes, ("private step over plain step", "memory of private training, MiB")):
        for i, name in enumerate(contestants):
            for j, result in enumerate(results.values()):
                of = result["of"]
                if name not in of:
                    continue
                times = ratio(of, name, PLAIN[name])
                height = times and times[0] if axis is axes[0] else of[name]["mib"]
                axis.bar(j + 0.8 * i / len(contestants), height or 0, width=0.8 / len(contestants), align="edge", color=f"C{i}")
        axis.set_xticks([j + 0.4 for j in range(len(results))], list(results), rotation=20)
        axis.set_yscale("log")
        axis.set_title(title)
    axes[0].axhline(1, color="black", linewidth=0.5)
    axes[0].legend(handles=[pyplot.Rectangle((0, 0), 1, 1, color=f"C{i}") for i in range(len(contestants))],
                   labels=["discreet" if name == "private" else name for name in contestants])
    figure.tight_layout()
    figure.savefig(path, dpi=120)

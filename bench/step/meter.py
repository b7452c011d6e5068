"""What ours.py, rivals.py and jax_rival.py share: the clock, the memory, and the line of JSON that step_bench prints too."""
import json
import statistics
import sys
import time

WARM_UP = 3
LEAST, MOST = 2, 200  # steps, where seconds are asked for


def memory(name):
    """A line of /proc/self/status, in MiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name + ":"))


def forget_peak():
    """VmHWM starts again from what is resident now."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def measure(step, wanted, warm=lambda: None):
    """Seconds of each step(), by the clock and of processors, after those that do not count and then warm().

    wanted: a number of steps, or "2s" for as many as fill two seconds. Where one step takes longer than that, one
    that does not count is enough.
    """
    limit = float(wanted[:-1]) if wanted.endswith("s") else None
    least, most = (LEAST, MOST) if limit is not None else (int(wanted), int(wanted))
    wall, processors = [], []
    passed = -WARM_UP
    while passed < least or (passed < most and sum(wall) < limit):
        start, start_cpu = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - start)
        processors.append(time.process_time() - start_cpu)
        passed += 1
        if passed <= 0 and (passed == 0 or (limit is not None and wall[-1] > limit)):
            warm()
            wall, processors, passed = [], [], 0
    return wall, processors


def in_turns(step):
    """Steps that standard input asks for, by numbers: each is answered with the seconds that so many took."""
    for _ in range(WARM_UP):
        step()
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(time.perf_counter() - start, flush=True)


def print_line(who, mode, model, trained, times, before):
    """before: MiB that the process had before the model was made."""
    wall, processors = times
    lower, median, upper = statistics.quantiles(wall, n=4, method="inclusive") if len(wall) > 1 else wall * 3
    print(json.dumps({"who": who, "model": model, "mode": mode, "trained": trained, "steps": len(wall),
                      "median": median, "lower": lower, "upper": upper, "cpu": statistics.median(processors),
                      "peak_mib": memory("VmHWM"), "rise_mib": memory("VmHWM") - before}))

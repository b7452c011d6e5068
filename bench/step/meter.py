"""What ours.py, rivals.py and jax_rival.py share: the memory, and the turns that step_bench takes too."""
import json
import os
import sys
import time

WARM_UP = 3


def device():
    """Where the model is, and each batch once it is drawn: run.py's --device."""
    return os.environ.get("STEP_DEVICE", "cpu")


def memory(name):
    """A line of /proc/self/status, in MiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name + ":"))


def forget_peak():
    """VmHWM starts again from what is resident now."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def operations(output):
    """How often each operation is in the graph of a PyTorch model's output: what says that two models are the same."""
    found, seen, left = {}, {None}, [output.grad_fn]
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.next_functions:
            found[node.name()] = found.get(node.name(), 0) + 1
        left += [following for following, _ in node.next_functions]
    return found


def in_turns(step, trained, before, warm=lambda: None, of_model=None):
    """Steps that warm up, then warm(), a line of JSON (how many numbers are trained; before: MiB that the process had
    before the model was made; of_model: its operations), and steps that standard input asks for, by numbers: each is
    answered with the seconds that so many took."""
    if device().startswith("cuda"):
        import torch
        queue_step = step

        def step():  # over when the device has done it
            queue_step()
            torch.cuda.synchronize()

    for _ in range(WARM_UP):
        step()
    warm()
    print(json.dumps({"trained": trained, "before_mib": before, "operations": of_model}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(time.perf_counter() - start, flush=True)

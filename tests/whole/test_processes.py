"""--processes: several processes make one model, as one mechanism; whichever of them is killed."""
import json
import os
import pathlib
import signal
import time

import pytest

from conftest import QUICK, SLOW, the_run, wait_for_steps

# Some hundred small steps, a second of them or, where other programs keep the processors busy, half a minute.
STEADY = [*SLOW[:-1], "15"]


@pytest.fixture(autouse=True)
def connected(place):
    """Refused before anything is read: what is missing otherwise is the data."""
    refused = place.run("train", "nothing.csv", "--processes", "2", code=None)
    if refused.code == 9 and "Gloo" in refused.err:
        pytest.skip("this libtorch comes without Gloo's headers")
    assert refused.code == 3, refused.err


def workers_of(pid):
    """(pid, command line, environment) of each child."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid:
                found.append((int(folder.name), (folder / "cmdline").read_bytes().split(b"\0")[:-1],
                              (folder / "environ").read_bytes()))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return sorted(found)


def ended(pid):
    """Also where nobody has fetched its exit code yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_ended(pids, seconds=10):
    deadline = time.monotonic() + seconds
    while not all(map(ended, pids)):
        assert time.monotonic() < deadline, "an orphan is left"
        time.sleep(0.02)


def begun(place, processes, **options):
    """A run after its first steps, held still until it gets SIGCONT; and its workers."""
    process = place.start("train", "people.csv", *STEADY, "--processes", str(processes), "--out", "p.discreet", **options)
    wait_for_steps(place, "p.discreet", process)
    process.send_signal(signal.SIGSTOP)
    workers = workers_of(process.pid)
    assert len(workers) == processes - 1
    return process, workers


def training_of(place, package):
    return json.loads((place.path / package / "privacy.json").read_text())["phases"][-1]


def finish(place, package, *more):
    place.run("train", "--resume", package, *more)
    training, run = training_of(place, package), the_run(place)
    assert place.run("verify", package, "--json").json["valid"] is True
    assert run["charged_steps"] == run["planned_steps"] == training["steps"]
    return training


@pytest.mark.parametrize("model", ["table", "linear"])
def test_two_processes_release_what_one_does(table, model):
    events = []
    for processes in (1, 2):
        out = f"p{processes}.discreet"
        table.run("train", "people.csv", *QUICK, "--model", model, "--sample-size", "1500", "--processes", processes,
                  "--out", out)
        assert table.run("verify", out, "--json").json["valid"] is True
        training = training_of(table, out)
        assert training["steps_lost"] == 0
        events.append(training["event"])
    assert events[0] == events[1]


def test_units_and_adaptive_clipping_are_shared_out_too(place):
    rows = [f"{person},{person % 7},{'yes' if person % 2 else 'no'}" for person in range(400) for _ in range(3)]
    place.write("rows.csv", "\n".join(["person,a,happy", *rows]) + "\n")
    place.run("train", "rows.csv", "--target", "happy", "--unit", "person", "--batch-size", "50", "--epochs", "3",
              "--clipping", "adaptive", "--processes", "3", "--out", "p.discreet")
    assert place.run("verify", "p.discreet", "--json").json["valid"] is True


def test_a_test_seed_gives_the_same_weights_again(table):
    weights = []
    for out in ("a.discreet", "b.discreet"):
        table.run("train", "people.csv", *QUICK, "--seed-for-tests", "5", "--processes", "2", "--out", out)
        weights.append((table.path / out / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize("again", ["1", "2", "3"])
def test_a_killed_worker_ends_the_run_which_goes_on(table, again):
    process, workers = begun(table, 3)
    secret = json.loads((table.path / "p.discreet.run" / "run.json").read_text())["split_key"].encode()
    assert [command[1] for _, command, _ in workers] == [b"work"] * 2
    for _, command, environment in workers:
        assert command[2:] == [os.fsencode(table.path / "p.discreet"), str(process.pid).encode()]
        assert secret not in environment
    os.kill(workers[1][0], signal.SIGKILL)
    process.send_signal(signal.SIGCONT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 8, words.decode()
    errors = [line for line in words.decode().splitlines() if line.startswith("discreet: ")]
    assert len(errors) == 1 and "of 3 (counted from 0) was ended by signal 9" in errors[0] and "--resume" in errors[0]
    wait_until_ended([pid for pid, _, _ in workers], 0)
    charged = the_run(table)["charged_steps"]
    training = finish(table, "p.discreet", "--processes", again)
    assert 0 < charged < training["steps"] and training["steps_lost"] <= charged


def test_a_worker_killed_while_it_starts_is_noticed(table):
    process = table.start("train", "people.csv", *STEADY, "--processes", "2", "--out", "p.discreet")
    while not (workers := [pid for pid, command, _ in workers_of(process.pid) if command[1:2] == [b"work"]]):
        assert process.poll() is None
    os.kill(workers[0], signal.SIGKILL)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 8 and b"signal 9" in words, words.decode()
    finish(table, "p.discreet")


def test_workers_end_with_the_process_that_started_them(table):
    process, workers = begun(table, 2)
    os.kill(workers[0][0], signal.SIGSTOP)  # so that it cannot notice by itself
    process.kill()
    process.communicate()
    wait_until_ended([pid for pid, _, _ in workers])
    finish(table, "p.discreet")


def test_ctrl_c_at_the_terminal_stops_all_and_loses_nothing(table):
    """A terminal sends it to every process of the group."""
    process, workers = begun(table, 2, start_new_session=True)
    os.killpg(process.pid, signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130 and b"--resume" in words, words.decode()
    wait_until_ended([pid for pid, _, _ in workers], 0)
    assert finish(table, "p.discreet")["steps_lost"] == 0

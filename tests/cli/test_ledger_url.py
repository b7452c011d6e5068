"""A ledger in PostgreSQL, by the command line: a real server on a socket in a temporary folder."""
import os
import pathlib
import pwd
import subprocess
import time

import pytest


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    assert binaries, "Debian's postgresql is missing (tools/packages.txt)"
    folder = pathlib.Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())  # short: it holds a socket
    as_user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    run = {"cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **as_user}
    subprocess.run([binaries[-1] / "initdb", "-D", folder / "data", "-A", "trust", "-U", "owner", "--no-sync"],
                   check=True, **run)
    process = subprocess.Popen([binaries[-1] / "postgres", "-D", folder / "data", "-k", folder, "-c",
                                "listen_addresses=", "-c", "shared_buffers=16MB"], **run)
    try:
        for _ in range(600):
            if not subprocess.run([binaries[-1] / "pg_isready", "-q", "-h", folder]).returncode:
                break
            time.sleep(0.05)
        yield f"postgresql://owner@/postgres?host={folder}"
    finally:
        process.send_signal(2)
        process.wait(60)
        subprocess.run(["rm", "-r", folder])


def test_a_ledger_by_url(place, server):
    place.refused("budget", "--ledger", server, code=3, kind="not-found", says="there is no ledger")
    place.run("budget", "set", "people", "--epsilon", 8, "--delta", 1e-5, "--ledger", server)
    shown = place.run("budget", "--ledger", server, "--json").json
    assert shown["ledger"] == server and shown["datasets"][0]["left"] == {"epsilon": 8, "delta": 1e-5}
    history = place.run("budget", "history", "--ledger", server, "--json").json
    assert [e["kind"] for e in history["entries"]] == ["ledger", "dataset", "cap"]
    assert not (place.path / "home" / "ledger.db").exists()


def test_no_password_is_taken_or_repeated(place, server):
    for url in [server.replace("owner@", "owner:hunter2@"), server + "&password=hunter2",
                "postgresql://o:hunter2%zz@/x"]:
        refused = place.run("budget", "--ledger", url, code=2)
        assert "hunter2" not in refused.err + refused.out and refused.err.count("\n") == 1
    gone = place.run("budget", "set", "p", "--epsilon", 1, "--delta", 1e-5, "--ledger",
                     "postgresql:///x?host=/nowhere", code=8)
    assert gone.err.count("\n") == 1 and "cannot be reached" in gone.err

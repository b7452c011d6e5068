"""Section by section, the inputs that go wrong: one clear line, the documented exit code, nothing charged."""
import gzip
import os
import resource
import shutil
import signal
import struct

import pytest

from conftest import QUICK, idx_images, people

HEAD = "age,city,letter,salary,happy\n"


def refused(place, code, *arguments, says):
    result = place.run(*arguments, code=code)
    last = result.err.strip().splitlines()[-1]
    assert last.startswith("discreet: "), result.err
    for words in [says] if isinstance(says, str) else says:
        assert words in last, last
    assert len(last) < 500
    assert not list(place.path.glob("*.discreet")) and not list(place.path.glob("*.discreet.run"))
    listed = place.run("budget", "--json").json["datasets"]
    assert not any(run["charged_steps"] or run["statistics_attempts"] for d in listed for run in d["runs"])
    return last


@pytest.mark.parametrize("content, code, says", [
    (b"", 7, "empty"),
    (HEAD.encode(), 7, "record"),
    (HEAD.encode() + b"1,2,3\n", 7, "line 2"),
    (HEAD.encode() + b"1,a,b,2,yes\n" * 3 + b"1,\xff\xfe,b,2,yes\n", 7, "UTF-8"),
    (b"\x1f\x8b\x08\x00broken", 7, "people.csv"),
    (gzip.compress(people().encode())[:-200], 7, "people.csv"),
    (b"31,2,3,4,5\n32,3,4,5,6\n", 2, "header"),
    (b"a,a,happy\n1,2,yes\n", 2, "columns 1 and 2"),
])
def test_tables_that_are_damaged(place, content, code, says):
    place.write("people.csv", content)
    refused(place, code, "train", "people.csv", *QUICK, says=says)


def test_a_line_without_an_end(place):
    path = place.write("people.csv", HEAD)
    with open(path, "r+b") as file:  # 2 GB of nothing: sparse, so that it takes no disk
        file.truncate(2 << 30)
    refused(place, 7, "train", "people.csv", *QUICK, says="line")


@pytest.mark.parametrize("name, content, says", [
    ("one.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "folder of images"),
    ("one.jpg", b"\xff\xd8\xff\xe0" + bytes(40), "folder of images"),
    ("people.xlsx", b"PK\x03\x04" + bytes(40), "not CSV"),
    ("people.json", b'[{"age": 3}]', "not CSV"),
])
def test_files_that_are_no_tables(place, name, content, says):
    place.write(name, content)
    refused(place, 2, "train", name, says=[name, says])


def test_a_folder_that_is_not_there(table):
    refused(table, 3, "train", "people.csv", *QUICK, "--out", "no/where/p.discreet", says="the folder no/where does not exist")


def test_predictions_do_not_go_into_a_package(table):
    table.run("train", "people.csv", *QUICK, "--out", "p.discreet")
    for out, code, says in [("p.discreet/guesses.csv", 2, "invalid"), ("no/guesses.csv", 3, "the folder no does not exist")]:
        assert says in table.run("predict", "p.discreet", "people.csv", "--out", out, code=code).err
    assert table.run("verify", "p.discreet", "--json").json["valid"] is True


def test_a_flag_that_is_advised_can_be_copied(place):
    lines = people(600).splitlines()
    rows = [f"{1000 + i % 150}," + line for i, line in enumerate(lines[1:])]
    place.write("visits.csv", "\n".join(["patient id," + lines[0], *rows]) + "\n")
    assert "--unit 'patient id'" in place.run("inspect", "visits.csv").out


def test_a_missing_file(place):
    refused(place, 3, "train", "nowhere.csv", says="nowhere.csv")


def test_no_such_target_names_the_nearest(table):
    refused(table, 3, "train", "people.csv", "--target", "hapy", says="happy")


def test_one_class_only(place):
    place.write("people.csv", people().replace(",no\n", ",yes\n"))
    refused(place, 2, "train", "people.csv", *QUICK, says="happy")


@pytest.mark.parametrize("flag, value", [("--epsilon", v) for v in ["0", "-1", "nan", "1e9"]] +
                         [("--delta", v) for v in ["0", "1", "-0.1", "nan"]] + [("--batch-size", "0"), ("--epochs", "0"),
                          ("--sample-size", "-5"), ("--max-grad-norm", "0")])
def test_settings_outside_their_range(table, flag, value):
    refused(table, 2, "train", "people.csv", flag, value, says="allowed")


def test_an_unknown_relation(table):
    refused(table, 2, "train", "people.csv", "--relation", "cousins", says="replace-one")


def test_an_unknown_model_names_the_nearest(table):
    refused(table, 2, "train", "people.csv", "--target", "happy", "--model", "tabel", says="table")


def test_an_unknown_setting_in_a_job(table):
    table.write("job.toml", 'data = "people.csv"\nepsylon = 1\n')
    refused(table, 2, "train", "job.toml", says=["job.toml", "epsilon"])


def test_images_cut_short(place):
    images, labels = idx_images(50)
    place.write("shapes/train-images-idx3-ubyte", images[:-100])
    place.write("shapes/train-labels-idx1-ubyte", labels)
    refused(place, 7, "train", "shapes", says="train-images-idx3-ubyte")


def test_images_with_too_few_labels(place):
    images, _ = idx_images(50)
    place.write("shapes/train-images-idx3-ubyte", images)
    place.write("shapes/train-labels-idx1-ubyte", struct.pack(">II", 0x801, 20) + bytes(20))
    refused(place, 7, "train", "shapes", says="label")


def test_a_broken_picture(place):
    place.write("photos/cat/1.png", b"\x89PNG\r\n\x1a\n" + b"nothing" * 20)
    place.write("photos/dog/2.png", b"\x89PNG\r\n\x1a\n" + b"nothing" * 20)
    refused(place, 7, "train", "photos", says="1.png")


@pytest.mark.parametrize("cell", ["nan", "inf", "-1e999", "zebra", "", "?"])
def test_an_odd_cell_is_missing_and_not_an_error(place, cell):
    lines = people(1500).splitlines()
    lines[7] = ",".join([cell] + lines[7].split(",")[1:])
    place.write("people.csv", "\n".join(lines) + "\n")
    place.run("train", "people.csv", "--target", "happy", "--batch-size", "200", "--epochs", "1")


def test_a_column_of_nothing(place):
    lines = people(1500).splitlines()
    rows = [line.split(",") for line in lines[1:]]
    place.write("people.csv", "\n".join([lines[0]] + [",".join(["NaN", *row[1:]]) for row in rows]) + "\n")
    refused(place, 2, "train", "people.csv", "--target", "happy", says="age")


def test_a_target_of_nothing(place):
    lines = people(1500).splitlines()
    rows = [line.split(",") for line in lines[1:]]
    place.write("people.csv", "\n".join([lines[0]] + [",".join([*row[:-1], "NaN"]) for row in rows]) + "\n")
    refused(place, 2, "train", "people.csv", "--target", "happy", says="happy")


def test_a_package_in_the_way(table):
    table.run("train", "people.csv", *QUICK, "--out", "p.discreet")
    again = table.run("train", "people.csv", *QUICK, "--out", "p.discreet", code=4)
    assert "p.discreet" in again.err and "exists" in again.err


def test_a_row_without_its_unit(table):
    lines = people(1500).splitlines()
    rows = [f"{i if i != 77 else ''}," + line for i, line in enumerate(lines[1:])]
    table.write("who.csv", "\n".join(["who," + lines[0], *rows]) + "\n")
    refused(table, 2, "train", "who.csv", "--target", "happy", "--unit", "who", says=["who", "record 78"])


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "privacy.json", "card.json", "report.html", "manifest.json"])
def test_a_changed_byte_is_found(table, name):
    table.run("train", "people.csv", *QUICK, "--out", "p.discreet")
    path = table.path / "p.discreet" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    result = table.run("verify", "p.discreet", "--json", code=7)
    assert result.json["valid"] is False
    assert any(name in problem for problem in result.json["problems"])


def test_a_full_disk(place):
    """A limit on the size of files stops every write, at every moment of the run, as a full disk does."""
    place.write("people.csv", people())
    for limit in [0, 100, 2000, 20000]:
        def full():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write fails, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        process = place.start("train", "people.csv", *QUICK, "--out", "p.discreet", preexec_fn=full, restore_signals=False)
        _, words = process.communicate(timeout=60)
        assert process.returncode in (5, 7, 8), words.decode()
        assert words.decode().strip().splitlines()[-1].startswith("discreet: "), words.decode()
        assert not (place.path / "p.discreet").exists()
        if (place.path / "p.discreet.run").exists():  # with room again, it goes on
            place.run("train", "--resume", "p.discreet")
            assert place.run("verify", "p.discreet", "--json").json["valid"] is True
            shutil.rmtree(place.path / "p.discreet")


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), reason="root may write anywhere")
def test_a_read_only_folder(table):
    """As root nothing is read-only, so the capability to override permissions is dropped first."""
    os.chmod(table.path, 0o555)
    try:
        command = table.command("train", "people.csv", *QUICK)
        if os.geteuid() == 0:
            command = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", "--"] + command
            os.chown(table.path, 12345, 12345)
        import subprocess
        done = subprocess.run(command, cwd=table.path, env=table.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 5, done.stderr
        assert "discreet: " in done.stderr
    finally:
        os.chmod(table.path, 0o755)


def test_an_owners_page_of_another_package_is_kept(table):
    table.write("people.owner.html", "mine")
    refused(table, 4, "train", "people.csv", *QUICK, says="people.owner.html")
    assert (table.path / "people.owner.html").read_text() == "mine"


def test_predict_keeps_a_file_that_is_there(table):
    table.run("train", "people.csv", "--target", "happy", "--batch-size", "200", "--epochs", "1")
    table.write("guesses.csv", "mine")
    assert "guesses.csv exists" in table.run("predict", "people.discreet", "people.csv", "--out", "guesses.csv", code=4).err
    assert (table.path / "guesses.csv").read_text() == "mine"


def test_a_test_seed_that_would_be_rounded(table):
    refused(table, 2, "train", "people.csv", *QUICK, "--seed-for-tests", str(2**53 + 2), says="seed-for-tests")

"""Prints the folder of the torch that this Python imports, without importing it.

A build that pip isolates hides the installed packages; there the folder is looked for where they are installed.
"""
import importlib.util
import pathlib
import sys
import sysconfig


def main():
    found = importlib.util.find_spec("torch")
    if found and found.origin:
        return print(pathlib.Path(found.origin).parent) or 0
    places = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), "/usr/lib/python3/dist-packages"]
    for place in places:
        if (pathlib.Path(place) / "torch" / "version.py").exists():
            print(pathlib.Path(place) / "torch")
            return 0
    print("discreet is built for the torch that is installed, and there is none: install torch (2.7 or newer) first",
          file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

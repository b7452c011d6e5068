#!/usr/bin/env python3
"""Reads every #include under discreet/ and fails on an arrow that ARCHITECTURE.md does not allow.

usage: check_layers.py PROJECT_FOLDER
"""
import pathlib
import re
import sys

# room -> (may include tensors?, rooms that it may include). Arrows are closed under "includes" below.
ROOMS = {
    "base": (False, []),
    "accounting": (False, ["base"]),
    "package": (False, ["accounting"]),
    "report": (False, ["package"]),
    "store": (False, ["accounting"]),
    "job": (False, ["accounting"]),
    "data": (True, ["base"]),
    "model": (True, ["base"]),
    "dp": (True, ["accounting", "data", "model", "store"]),
    "evaluate": (True, ["data", "model"]),
    "train": (True, ["dp", "evaluate", "store", "package", "report", "job"]),
    "runner": (True, ["train"]),
    "cli": (False, ["package", "report", "store", "job"]),
}


def allowed(room):
    seen, stack = {room}, list(ROOMS[room][1])
    while stack:
        other = stack.pop()
        if other not in seen:
            seen.add(other)
            stack += ROOMS[other][1]
    return seen


def main(project):
    errors = []
    root = pathlib.Path(project)
    for path in sorted((root / "discreet").rglob("*")):
        if path.suffix not in {".h", ".cc"}:
            continue
        room = path.relative_to(root / "discreet").parts[0]
        if room not in ROOMS:
            errors.append(f"{path}: room '{room}' is not in tools/check_layers.py")
            continue
        may_use_torch, _ = ROOMS[room]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            target = match.group(2)
            if match.group(1) == '"' and not target.startswith("discreet/"):
                errors.append(f"{path}:{number}: write the full path, discreet/ROOM/FILE.h, not {target}")
            if target.startswith("discreet/"):
                other = target.split("/")[1]
                if other not in allowed(room):
                    errors.append(f"{path}:{number}: room '{room}' may not include room '{other}'")
            elif not may_use_torch and target.split("/")[0] in {"torch", "ATen", "c10"}:
                errors.append(f"{path}:{number}: room '{room}' may not include tensors")
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

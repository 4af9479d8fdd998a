#!/usr/bin/env python3
"""How many lines of the programs the tests reached: coverage.py BUILD LIST

Reads with gcov what the programs in BUILD counted, prints a figure for each folder and for all, and writes the lines
that were not reached to LIST."""

import collections
import json
import pathlib
import re
import subprocess
import sys

from ranges import ranges

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = re.compile(r"(services|gateway|proto)/")
TEST = re.compile(r"_(test|fuzz)\.c$|/(bench|fake|fuzz)_[a-z_]+\.c$")
TOGETHER = 100  # files for one gcov


def reached_lines(build):
    """{source: {line: how often}}"""
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    counts = []  # what no program ran has no .gcda
    for notes in sorted(build.resolve().rglob("*.gcno")):
        count = notes.with_suffix(".gcda")
        counts.append(str(count if count.exists() else notes))
    for at in range(0, len(counts), TOGETHER):
        found = subprocess.run(["gcov", "--json-format", "--stdout", *counts[at:at + TOGETHER]], cwd=build,
                               capture_output=True, text=True, check=True).stdout
        for document in filter(None, found.splitlines()):
            part = json.loads(document)
            for file in part["files"]:
                path = (pathlib.Path(part["current_working_directory"]) / file["file"]).resolve()
                name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
                if path.is_file() and PROGRAMS.match(name) and not TEST.search(name):
                    for line in file["lines"]:
                        lines[name][line["line_number"]] += line["count"]
    return lines


def share(reached, total):
    return f"{100 * reached / total:5.1f} %  {reached:6} of {total:6} lines"


def main(build, listing):
    lines = reached_lines(build)
    if not lines:
        sys.exit("coverage: nothing was counted")
    folders = collections.Counter()
    reached = collections.Counter()
    with listing.open("w", encoding="utf-8") as out:
        for name in sorted(lines):
            missed = sorted(line for line, count in lines[name].items() if count == 0)
            folder = name.rsplit("/", 1)[0]
            folders[folder] += len(lines[name])
            reached[folder] += len(lines[name]) - len(missed)
            if missed:
                out.write(f"{name}: {ranges(missed)}\n")
    for folder in sorted(folders):
        print(f"{share(reached[folder], folders[folder])}  {folder}")
    print(f"{share(reached.total(), folders.total())}  all; not reached: {listing}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))

#!/usr/bin/env python3
"""Adds up the parts of a test run: names what failed, ends in one line.

Each part leaves PART.xml (JUnit) and PART.exit (the exit code of what ran it) in a folder. A part
that lacks one of them, ran nothing, or ended badly without a failed test to show for it, counts as
one failed test more: it crashed, was interrupted, or never began.
"""

import argparse
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

NO_TESTS = 5  # pytest's exit code
REASON_MAX = 300


def outcome_of(case):
    skipped = case.find("skipped")
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.get("status") == "fail":
        return "failed"
    # CTest's for a test that could not be started, and for one that skipped itself
    if case.get("status") == "notrun":
        message = "" if skipped is None else skipped.get("message", "")
        return "skipped" if message.startswith("SKIP_") else "failed"
    if skipped is not None or case.get("status") == "disabled":
        return "skipped"
    return "passed"


def reason_of(case):
    """The first line of what a failed test says, or nothing."""
    for kind in ("failure", "error"):
        message = "" if case.find(kind) is None else case.find(kind).get("message", "")
        for line in message.splitlines():
            if line.strip() and message != "Failed":  # CTest's, of every test
                return line.strip()[:REASON_MAX]
    return ""


def read_cases(path):
    """(name, outcome, reason) of each test."""
    return [(case.get("name"), outcome_of(case), reason_of(case))
            for case in ElementTree.parse(path).iter("testcase")]


def read_exit(path):
    """None when the part did not end."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def fault_of(cases, code, only):
    """What is wrong with a part as a whole, or None. cases: None when there is no result."""
    if code is None:
        return "did not run to its end"
    failed = cases and any(outcome == "failed" for _, outcome, _ in cases)
    if code not in (0, NO_TESTS) and not failed:
        return f"ended with {code}, and no failed test says why"
    if not cases and not (only and code in (0, NO_TESTS)):
        return "ran no test"
    return None


def part_of(folder, part, only):
    """Each test of a part as read_cases has it, and the part itself where that went wrong."""
    try:
        cases = read_cases(folder / f"{part}.xml")
    except (OSError, ElementTree.ParseError):
        cases = None
    fault = fault_of(cases, read_exit(folder / f"{part}.exit"), only)
    return (cases or []) + ([(fault, "failed", "")] if fault else [])


def main(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--only", action="store_true", help="a part may have no test")
    options = parser.parse_args(words)
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for part in options.parts:
        for name, outcome, reason in part_of(options.folder, part, options.only):
            count[outcome] += 1
            if outcome != "passed":
                print(f"{outcome}: {part}: {name}" + (f": {reason}" if reason else ""))
    line = f"{count['passed']} passed, {count['failed']} failed"
    if count["skipped"]:
        line += f", {count['skipped']} skipped"
    print(line)
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Adds up the JUnit files of a test run: names what failed, ends in one line."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def cases(folder):
    for path in sorted(pathlib.Path(folder).glob("*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            failed = case.find("failure") is not None or case.find("error") is not None
            failed = failed or case.get("status") == "fail"
            skipped = case.find("skipped") is not None or case.get("status") in ("notrun", "disabled")
            yield path.stem, case.get("name"), "failed" if failed else "skipped" if skipped else "passed"


def main(folder):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for suite, name, outcome in cases(folder):
        count[outcome] += 1
        if outcome != "passed":
            print(f"{outcome}: {suite}: {name}")
    line = f"{count['passed']} passed, {count['failed']} failed"
    if count["skipped"]:
        line += f", {count['skipped']} skipped"
    print(line)
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

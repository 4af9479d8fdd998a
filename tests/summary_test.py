"""The last line of ./dev test: whatever ends badly counts as failed."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PASSED = '<testcase name="a"/>'
FAILED = '<testcase name="b"><failure/></testcase>'
SKIPPED = '<testcase name="c"><skipped message="why"/></testcase>'
CTEST_PASSED = '<testcase name="a" status="run"/>'
CTEST_FAILED = '<testcase name="a" status="fail"><failure message="Failed"/></testcase>'
CTEST_MISSING = ('<testcase name="a" status="notrun"><skipped message="Unable to find executable"/>'
                 '</testcase>')
CTEST_SKIPPED = ('<testcase name="a" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
                 '</testcase>')


def summarize(folder, *words):
    done = subprocess.run([sys.executable, ROOT / "tests/summary.py", folder, *words], text=True,
                          capture_output=True, timeout=20)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def leave(folder, part, cases, code):
    """What a part leaves: None for a file that it did not write."""
    if cases is not None:
        (folder / f"{part}.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    if code is not None:
        (folder / f"{part}.exit").write_text(f"{code}\n")


@pytest.mark.parametrize("cases, code, exit_code, last", [
    (PASSED, 0, 0, "1 passed, 0 failed"),
    (PASSED + SKIPPED, 0, 0, "1 passed, 0 failed, 1 skipped"),
    (PASSED + FAILED, 1, 1, "1 passed, 1 failed"),
    (CTEST_PASSED + CTEST_SKIPPED, 0, 0, "1 passed, 0 failed, 1 skipped"),
    (CTEST_PASSED + CTEST_FAILED, 8, 1, "1 passed, 1 failed"),
    (CTEST_PASSED + CTEST_MISSING, 8, 1, "1 passed, 1 failed"),
    (None, 137, 1, "0 passed, 1 failed"),  # killed
    (PASSED, 137, 1, "1 passed, 1 failed"),  # killed behind its last test
    (PASSED, 2, 1, "1 passed, 1 failed"),  # pytest, interrupted
    (PASSED, None, 1, "1 passed, 1 failed"),
    (None, None, 1, "0 passed, 1 failed"),  # never began
    (None, 0, 1, "0 passed, 1 failed"),  # left no result
    ("", 5, 1, "0 passed, 1 failed"),  # nothing was collected
    (PASSED + "<testcase", 0, 1, "0 passed, 1 failed"),  # cut off
])
def test_a_part_is_what_its_result_and_its_exit_code_say(tmp_path, cases, code, exit_code, last):
    leave(tmp_path, "unit", cases, code)
    found, lines = summarize(tmp_path, "unit")
    assert (found, lines[-1]) == (exit_code, last)
    assert all(line.split(": ")[1] == "unit" for line in lines[:-1])


def test_a_good_part_does_not_hide_a_bad_one(tmp_path):
    leave(tmp_path, "unit", PASSED, 0)
    leave(tmp_path, "blackbox", None, 139)
    code, lines = summarize(tmp_path, "unit", "blackbox", "frontend")
    assert code == 1
    assert lines == ["failed: blackbox: ended with 139, and no failed test says why",
                     "failed: frontend: did not run to its end", "1 passed, 2 failed"]


def test_a_failed_test_says_why(tmp_path):
    leave(tmp_path, "blackbox", '<testcase name="a"><failure message="&#10; 125 == 150&#10;more"/>'
          '</testcase><testcase name="b"><error message="no broker"/></testcase>', 1)
    leave(tmp_path, "unit", CTEST_FAILED, 8)
    assert summarize(tmp_path, "blackbox", "unit") == (1, [
        "failed: blackbox: a: 125 == 150", "failed: blackbox: b: no broker", "failed: unit: a",
        "0 passed, 3 failed"])


def test_with_only_a_part_may_have_no_test(tmp_path):
    leave(tmp_path, "unit", PASSED, 0)
    leave(tmp_path, "deploy", "", 5)
    leave(tmp_path, "threads", None, 0)
    assert summarize(tmp_path, "unit", "deploy", "threads", "--only") == (0, ["1 passed, 0 failed"])
    leave(tmp_path, "deploy", "", 3)
    assert summarize(tmp_path, "unit", "deploy", "threads", "--only")[0] == 1
    leave(tmp_path, "deploy", "", None)
    (tmp_path / "deploy.exit").unlink()
    assert summarize(tmp_path, "unit", "deploy", "threads", "--only")[0] == 1


def test_a_real_pytest_that_is_killed_counts_as_failed(tmp_path):
    (tmp_path / "some_test.py").write_text(
        f"import os\ndef test_first(): pass\ndef test_last(): os.kill(os.getpid(), {signal.SIGKILL})\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           f"--junitxml={tmp_path}/blackbox.xml", "some_test.py"], cwd=tmp_path,
                          env={**os.environ, "PYTEST_ADDOPTS": ""}, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    leave(tmp_path, "blackbox", None, 128 + signal.SIGKILL)
    assert summarize(tmp_path, "blackbox") == (1, [
        "failed: blackbox: ended with 137, and no failed test says why", "0 passed, 1 failed"])

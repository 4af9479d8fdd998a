"""`./dev demo`, as somebody at a terminal has it."""

import json
import os
import pathlib
import pty
import re
import signal
import sys
import urllib.request
import uuid

import pytest
import rig
from rig.process import clean_environment

DEMO = pathlib.Path(__file__).parent / "demo.py"


class Terminal:
    """A program in the foreground of a terminal of its own."""

    def __init__(self, argv, env):
        self.text = ""
        self.code = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in what a script runs with &
            os.execvpe(argv[0], argv, env)
        os.set_blocking(self.fd, False)

    def shows(self, pattern):
        try:
            self.text += os.read(self.fd, 65536).decode(errors="replace")
        except OSError:  # nothing new, or it has ended
            pass
        return re.search(pattern, self.text)

    def press_ctrl_c(self):
        os.write(self.fd, b"\x03")

    def close(self):
        os.close(self.fd)

    def has_ended(self):
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None


def processes_with(mark):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or is not ours
            pass
    return found


@pytest.mark.parametrize("end", ["ctrl_c", "the_terminal_is_closed"])
def test_the_demo_shows_tasks_and_leaves_nothing_behind(folder, end):
    mark = f"demo-{uuid.uuid4()}"
    port = rig.free_port()
    terminal = Terminal([sys.executable, str(DEMO), "--bin", rig.kanchi.bin_folder(release=True),
                         "--listen", f"127.0.0.1:{port}"],
                        clean_environment(DEMO_MARK=mark, TMPDIR=folder))

    def ask(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.read().decode()

    try:
        rig.wait_for(lambda: terminal.shows("Press Ctrl-C to stop"), 60, "Kanchi is ready")
        assert '<div id="__nuxt">' in ask("/")
        rig.wait_for(lambda: any(one["status"] == "success" for one in
                                 json.loads(ask("/api/v1/tasks"))["items"]), 60, "tasks")
        assert len(processes_with(mark)) > 8
        if end == "ctrl_c":
            terminal.press_ctrl_c()
            rig.wait_for(lambda: terminal.shows("stopping everything"), 30, "it says so")
            terminal.press_ctrl_c()  # somebody who can't wait
        else:
            terminal.close()
        rig.wait_for(terminal.has_ended, 60, "its end")
        assert "Traceback" not in terminal.text and terminal.code == 0
        assert not processes_with(mark)
        assert not list(folder.iterdir())
    finally:
        if not terminal.has_ended():
            os.kill(terminal.pid, 9)

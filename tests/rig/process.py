"""One child process: its log in a file, and no way for it to outlive us."""

import contextlib
import ctypes
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class RigError(Exception):
    """A server, worker or service did not do what the test needs it to do."""


def free_port(_given=set()):
    """A free TCP port of 127.0.0.1, below those that the kernel gives to connections by itself, so
    that none takes it before its server does; drawn, for test runs beside one another."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def wait_for(condition, timeout=20.0, what="the condition", interval=0.05):
    """The first true value of condition(); RigError when there is none in time.

    An exception of condition() counts as not yet, and is told at the end.
    """
    end = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = None
        except (OSError, AssertionError, LookupError, ValueError) as error:
            last = error
        if time.monotonic() >= end:
            raise RigError(f"{what}: not within {timeout:g} s" + (f" ({last!r})" if last else ""))
        time.sleep(interval)


def port_is_open(port, host="127.0.0.1"):
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def clean_environment(**more):
    """Ours without what would change how a child behaves."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(("KANCHI_", "CELERY_", "PYTEST_", "RABBITMQ_", "PG"))}
    return {**kept, **{key: str(value) for key, value in more.items()}}


class Stoppable:
    """A context manager that calls stop() at its end."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Process(Stoppable):
    """A running program. Use as a context manager, or call stop().

    It leads a session of its own, so that Ctrl-C reaches only us and stop() can
    end its children too. The kernel sends it SIGTERM when we die.
    """

    def __init__(self, argv, name, log, env=None, cwd=None, stop_signal=signal.SIGTERM,
                 stop_timeout=15.0, death_signal=signal.SIGTERM):
        self.name = name
        self.log_path = pathlib.Path(log)
        self.stop_signal = stop_signal
        self.stop_timeout = stop_timeout
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        parent = os.getpid()

        def in_child():
            _libc.prctl(PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != parent:
                os._exit(1)

        with open(self.log_path, "ab") as out:
            self._popen = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, env=env or clean_environment(), cwd=cwd,
                start_new_session=True, preexec_fn=in_child)

    @property
    def pid(self):
        return self._popen.pid

    @property
    def running(self):
        return self._popen.poll() is None

    @property
    def exit_code(self):
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_for(self, condition, timeout=20.0, what="ready"):
        """As wait_for, but fails at once when the process ends, and shows its log."""
        def alive_and_true():
            if not self.running:
                raise RigError(f"{self.name} ended with {self.exit_code}:\n{self.log_tail()}")
            return condition()
        try:
            return wait_for(alive_and_true, timeout, f"{self.name}: {what}")
        except RigError as error:
            raise RigError(f"{error}\n{self.log_tail()}") from None

    def wait(self, timeout=20.0):
        """Its exit code."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise RigError(f"{self.name} has not ended within {timeout:g} s\n"
                           f"{self.log_tail()}") from None

    def send(self, number):
        if self.running:
            self._popen.send_signal(number)

    def kill(self):
        """As a power cut does it: it and its children, without a goodbye."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(10)

    def stop(self):
        """Asks it to end, insists after stop_timeout; returns the exit code."""
        self.send(self.stop_signal)
        try:
            self._popen.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            pass
        self.kill()
        return self.exit_code

    def rss_bytes(self):
        fields = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

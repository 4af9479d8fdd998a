"""What processes use, as /proc says it."""

import os
import pathlib
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
PROC = pathlib.Path("/proc")


def family(pid):
    """The process and all that descend from it."""
    pids = [pid]
    for one in pids:
        for task in (PROC / str(one) / "task").glob("*"):
            try:
                pids += [int(word) for word in (task / "children").read_text().split()]
            except OSError:
                pass  # it has ended
    return pids


def cpu_seconds(pid, reaped=False):
    """User and system time; reaped: with that of children which have ended."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return sum(int(one) for one in fields[11:15 if reaped else 13]) / TICK


def resident_bytes(pid):
    fields = (PROC / str(pid) / "statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE")


def proportional_bytes(pid):
    """Memory that several processes share counts once among them."""
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def name_of(pid):
    """"storage" for kanchi-storage, "launcher" for kanchi."""
    program = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[0].decode()
    name = pathlib.Path(program).name
    return "launcher" if name == "kanchi" else name.removeprefix("kanchi-")


class Meter:
    """CPU and memory of services and servers, from start() to stop().

    A server whose children come and go (PostgreSQL) is one thing with all of them.
    """

    def __init__(self, services, servers, interval=0.5):
        self.services = services  # name: pid; each process alone
        self.servers = servers  # name: pid; with all that descend from it
        self.interval = interval
        self.peak = {}
        self.last = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self):
        self._began = self._cpu()
        self._at = time.monotonic()
        self._thread.start()
        return self

    def stop(self):
        """{"seconds", "cpu_seconds": {name: …}, "peak_bytes": …, "last_bytes": …}"""
        self._stop.set()
        self._thread.join()
        self._look()
        now = self._cpu()
        return {"seconds": round(time.monotonic() - self._at, 3),
                "cpu_seconds": {name: round(now[name] - self._began.get(name, 0), 3) for name in now},
                "peak_bytes": self.peak, "last_bytes": self.last}

    def _cpu(self):
        used = {name: cpu_seconds(pid) for name, pid in self.services.items()}
        for name, pid in self.servers.items():
            used[name] = 0
            for one in family(pid):
                try:
                    used[name] += cpu_seconds(one, reaped=True)
                except OSError:
                    pass  # it has just ended: its parent has its time now
        return used

    def _watch(self):
        while not self._stop.wait(self.interval):
            self._look()

    def _look(self):
        now = {}
        for name, pid in self.services.items():
            now[name] = resident_bytes(pid)
        # libraries that all of them have loaded count once
        now["all services"] = sum(proportional_bytes(pid) for pid in self.services.values())
        for name, pid in self.servers.items():
            now[name] = 0
            for one in family(pid):
                try:
                    now[name] += proportional_bytes(one)
                except OSError:
                    pass
        self.last = now
        for name, size in now.items():
            self.peak[name] = max(self.peak.get(name, 0), size)

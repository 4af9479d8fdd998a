"""Flower with the same load."""

import re
import urllib.request

import rig
from rig.process import clean_environment

from . import usage
from .stand import Broker, Load, empty_folder
from .throughput import per_event

COUNTER = re.compile(r'^flower_events_total\{.*type="([^"]*)".*\} ([0-9.e+]+)$', re.M)


class Flower:
    """Use as a context manager; environment "flower" of tests/requirements."""

    def __init__(self, folder, broker_url):
        self.port = rig.free_port()
        self.process = rig.Process(
            [rig.python_of("flower"), "-m", "celery", f"--broker={broker_url}", "flower",
             "--address=127.0.0.1", f"--port={self.port}", "--logging=warning"],
            "flower", folder / "flower.log", cwd=folder,
            env=clean_environment(FLOWER_UNAUTHENTICATED_API="true"))

    def __enter__(self):
        self.process.wait_for(lambda: self.ask("/healthcheck"), 30)
        return self

    def __exit__(self, *_):
        self.process.stop()

    def ask(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read().decode()

    def seen(self):
        """Events of tasks by type, as its /metrics counts them; it counts no others."""
        counts = {}
        for kind, count in COUNTER.findall(self.ask("/metrics")):
            counts[kind] = counts.get(kind, 0) + int(float(count))
        return counts

    def wait_subscribed(self, folder, url):
        """Until it sees events; how many it has seen then."""
        def greeted(number=[100]):  # noqa: B006
            number[0] += 1
            Load(folder, url, {"tasks": 1, "workers": 1}, number[0]).wait(20)
            return sum(self.seen().values())
        rig.wait_for(greeted, 30, "Flower sees events", interval=0.5)
        return quiet(self, 30)


def measure(kind, timeout, **options):
    """What Flower sees and uses of a load."""
    with empty_folder() as folder:
        broker = Broker(folder, kind)
        try:
            with Flower(folder, broker.url) as flower:
                before = flower.wait_subscribed(folder, broker.url)
                meter = usage.Meter({}, {"flower": flower.process.pid, **broker.servers()}).start()
                load = Load(folder, broker.url, options, 1)
                told = load.wait(timeout)
                seen = quiet(flower, timeout) - before
                used = meter.stop()
        finally:
            broker.stop()
    sent = sum(count for name, count in told["expect"]["events"].items() if name.startswith("task-"))
    return {"broker": kind, "command": load.command, "task_events_sent": sent, "seen": seen,
            "missing": sent - seen,
            "sent": {key: told[key] for key in ("tasks", "events", "messages", "bytes", "seconds", "rate")},
            "usage": used, "cpu_us_per_event": per_event(used, seen)}


def quiet(flower, timeout):
    """How many events it has counted when it counts no more."""
    def still(seen=[]):  # noqa: B006
        seen.append(sum(flower.seen().values()))
        return seen[-1] if len(seen) > 3 and len(set(seen[-3:])) == 1 else 0
    return rig.wait_for(still, timeout, "Flower has counted", interval=1)

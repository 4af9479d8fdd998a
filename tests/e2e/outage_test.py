"""Parts of Kanchi, the broker and the network stop: at no moment do open pages show a wrong number, or say that all is well.

Nothing happens meanwhile, so each figure has one true value. A part is stopped by SIGSTOP or SIGKILL, two of them at a
time; four pages are looked at each second. Two pairs are always taken; KANCHI_OUTAGES=short takes some more,
KANCHI_OUTAGES=all every pair, and each part for five minutes.
"""

import itertools
import os
import signal

import pytest
import rig
from e2e.viewer import Viewer, needs_browser

ALL = os.environ.get("KANCHI_OUTAGES") == "all"
pytestmark = needs_browser
SERVICES = ("storage", "ingestion", "aggregation", "control", "gateway")
SUCCEEDED, FAILED, WAITING = 40, 2, 7
# Seconds in which pages may show the old state; more beside other tests, which share the machine.
GRACE = float(os.environ.get("KANCHI_OUTAGE_GRACE", "5" if ALL else "12"))
# What a viewer should read about each: the worst hides the others.
NAMES = {"network": "connection|reconnect|offline|unreachable", "gateway": "connection|reconnect|gateway|unreachable",
         "storage": "storage", "broker": "broker|redis", "aggregation": "aggregation", "ingestion": "ingestion", "control": "control"}
PARTS = tuple(NAMES)
SHORT = [("storage", "broker", signal.SIGSTOP), ("gateway", "aggregation", signal.SIGSTOP),
         ("network", "control", signal.SIGKILL), ("ingestion", "storage", signal.SIGKILL),
         ("broker", "aggregation", signal.SIGKILL)]
FEW = [SHORT[0], SHORT[3]]  # after longer times without a broker, its workers take a minute to return
EVERY = [(*pair, how) for pair in itertools.combinations(PARTS, 2) for how in (signal.SIGSTOP, signal.SIGKILL)]
PAIRS = EVERY if ALL else SHORT if "KANCHI_OUTAGES" in os.environ else FEW


class Theatre:
    """A Redis that keeps its data, services one by one, and pages behind a proxy."""

    def __init__(self, folder):
        self.folder = folder
        self.redis = rig.Redis(folder / "redis", options=("--appendonly", "yes", "--appendfsync", "always"))
        url = self.redis.url(0)
        self.kanchi = rig.Kanchi(folder / "kanchi", [url], config={
            "ingestion": {"queue_interval": "1s"}, "control": {"interval": "5s"},
            "aggregation": {"rollup_interval": "500ms", "window": "1h"}})
        for service in SERVICES:
            self.kanchi.start(service)
        rig.wait_for(self.kanchi.is_ready, 30, "Kanchi is ready")
        self.worker = rig.CeleryWorker(folder, url, app="e2e.app", pool="threads", concurrency=2, backend_url=self.redis.url(1))
        self.worker.wait_ready()
        self.network = rig.Proxy(self.kanchi.port)
        self.viewer = Viewer(folder, f"http://127.0.0.1:{self.network.port}")
        self.truth = {"succeeded": SUCCEEDED, "failed": FAILED, "ended": SUCCEEDED + FAILED,
                      "workers": 1, "paused": 1, "depth": WAITING, "nothing": 0}

    def play(self):
        """The traffic, all of it; the queue that keeps its messages is paused, so nobody need look after it."""
        import celery
        app = celery.Celery("theatre", broker=self.redis.url(0), backend=self.redis.url(1))
        app.conf.task_send_sent_event = True
        for n in range(WAITING):
            app.send_task("e2e.echo", (n,), queue="mail")
        for n in range(SUCCEEDED):
            app.send_task("e2e.echo", (n,), queue="default")
        for n in range(FAILED):
            app.send_task("e2e.fail", ("no",), queue="default")
        app.close()
        rig.wait_for(lambda: any(one["name"] == "mail" and one["depth"] == WAITING for one in self.kanchi.get("/queues")["items"]), 30, "the queue")
        self.kanchi.post("/queues/mail/pause")
        rig.wait_for(lambda: len(list(self.kanchi.all_items("/tasks", status="success"))) == SUCCEEDED and
                     len(list(self.kanchi.all_items("/tasks", status="failure"))) == FAILED, 60, "the traffic")

    def stop_part(self, part, how):
        if part == "network":
            self.network.stall() if how == signal.SIGSTOP else self.network.refuse()
        else:
            process = self.redis.process if part == "broker" else self.kanchi.processes[part]
            process.send(how)
            if how == signal.SIGKILL:
                process.wait()

    def start_part(self, part, how):
        if part == "network":
            self.network.heal()
        elif how == signal.SIGSTOP:
            (self.redis.process if part == "broker" else self.kanchi.processes[part]).send(signal.SIGCONT)
        elif part == "broker":
            self.redis.start()
        else:
            self.kanchi.start(part)

    def stop(self):
        self.viewer.process.stop()
        self.worker.stop()
        self.network.close()
        self.kanchi.stop()
        self.redis.stop()


@pytest.fixture(scope="module")
def theatre(session_folder):
    folder = session_folder / "theatre"
    folder.mkdir()
    stage = Theatre(folder)
    try:
        stage.play()
        stage.viewer.sees("everythingIsWell", truth=stage.truth)
        yield stage
    finally:
        stage.stop()


def outage(theatre, first, second, how, seconds):
    parts = [part for part in (first, second) if part]
    names = [NAMES[part] for part in parts]
    for part in parts:
        theatre.stop_part(part, how)
    try:
        theatre.viewer.sees("nothingIsFalse", truth=theatre.truth, names=names, seconds=seconds, grace=GRACE, reload=["overview", "tasks"])
    finally:
        for part in parts:
            theatre.start_part(part, how)
        theatre.viewer.sees("backToTheTruth", truth=theatre.truth)


@pytest.mark.parametrize("first, second, how", [pytest.param(*one, id=f"{one[0]}-{one[1]}-{one[2].name}") for one in PAIRS])
def test_nothing_is_false_while_two_parts_are_stopped(theatre, first, second, how):
    outage(theatre, first, second, how, GRACE + 8)


@pytest.mark.skipif(not ALL, reason="takes minutes: KANCHI_OUTAGES=all")
@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_false_while_a_part_is_stopped_for_minutes(theatre, part):
    outage(theatre, part, None, signal.SIGSTOP, 300)

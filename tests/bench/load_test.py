"""The generator's messages are what Celery's own receiver takes, and Kanchi stores each."""

import collections
import json
import socket
import time

import celery
import pytest
import redis

import rig
from rig.kanchi import bin_folder

# celery.states: Kanchi's
STATUSES = {"PENDING": "pending", "RECEIVED": "received", "STARTED": "started", "SUCCESS": "success",
            "FAILURE": "failure", "RETRY": "retry", "REVOKED": "revoked", "REJECTED": "rejected"}


def start_load(folder, url, name, *options):
    return rig.Process([bin_folder().parent / "bench" / "kanchi-load", "--broker", url,
                        "--expect", folder / f"{name}.json", *options],
                       name, folder / f"{name}.log")


def result(folder, process):
    assert process.wait(60) == 0, process.log_tail()
    told = json.loads(process.log().splitlines()[-1])
    return told, json.loads((folder / f"{process.name}.json").read_text())


def some(counts):
    return {name: count for name, count in counts.items() if count}


class Receiver:
    """Celery's own, with its State. Use as a context manager."""

    def __init__(self, url):
        self.app = celery.Celery(broker=url, set_as_current=False)
        self.state = self.app.events.State(max_tasks_in_memory=100000)
        self.types = collections.Counter()
        self.ready = False

    def __enter__(self):
        self.connection = self.app.connection_for_read()
        receiver = self.app.events.Receiver(self.connection, handlers={"*": self.on_event},
                                            app=self.app)
        self.context = receiver.consumer_context(wakeup=False)
        self.consuming, _, _ = self.context.__enter__()
        with self.app.connection_for_write() as connection:
            sender = self.app.events.Dispatcher(connection, hostname="test@here")
            rig.wait_for(lambda: sender.send("are-you-there") or self.drain(0.1) or self.ready,
                         what="the receiver gets events")
        return self

    def __exit__(self, *_):
        self.context.__exit__(None, None, None)
        self.connection.close()

    def on_event(self, event):
        self.ready = True
        if event["type"] == "worker-heartbeat" or not event["hostname"].endswith("@load"):
            return
        self.types[event["type"]] += 1
        self.state.event(event)

    def drain(self, timeout):
        try:
            self.consuming.drain_events(timeout=timeout)
        except (socket.timeout, OSError):
            pass

    def drain_until(self, done):
        end = time.monotonic() + 30
        while not done() and time.monotonic() < end:
            self.drain(0.2)


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_celery_and_kanchi_count_what_was_sent(folder, broker, request):
    url = request.getfixturevalue(f"{broker}_url")
    confirm = ["--confirm"] if broker == "rabbitmq" else []
    with rig.Kanchi(folder, [url]) as kanchi, Receiver(url) as receiver:
        kanchi.up()
        rig.wait_for(lambda: kanchi.get("/system")["ingestion"]["default"]["state"] == "connected")
        load = start_load(folder, url, "load", "--tasks", "500", "--workers", "5", "--stay",
                          "--fail-share", "0.2", "--retry-share", "0.2", "--revoke-share", "0.1",
                          "--reject-share", "0.1", "--progress-share", "0.3", *confirm)
        told, expect = result(folder, load)
        assert told["tasks"] == 500 and told["unsure_events"] == 0
        sent = {name: count for name, count in some(expect["events"]).items()
                if name != "worker-heartbeat"}
        assert len(sent) == 10, "every type"
        receiver.drain_until(lambda: receiver.types == sent)
        assert receiver.types == sent
        states = collections.Counter(  # Celery's State forgets a rejection that it saw started
            "rejected" if task.rejected else STATUSES[task.state]
            for task in receiver.state.tasks.values())
        assert states == some(expect["tasks"])

        def stored():
            now = kanchi.get("/system")["ingestion"]["default"]
            assert now["events_stored"] == told["events"] and now["events_invalid"] == 0, now
            return now
        rig.wait_for(stored)
        assert some(kanchi.get("/system")["tasks"]) == some(expect["tasks"])
        names = {task["name"] for task in kanchi.all_items("/tasks", limit=200)}
        assert names <= {f"shop.{room}.step_{n}" for n in range(40)
                         for room in ("orders", "mail", "reports", "images", "search")}


def test_the_same_seed_makes_the_same_tasks(folder, redis_url):
    counts = []
    for name, seed in (("one", "7"), ("two", "7"), ("other", "8")):
        load = start_load(folder, redis_url, name, "--tasks", "300", "--seed", seed)
        counts.append(result(folder, load)[1]["tasks"])
    assert counts[0] == counts[1] != counts[2]


def test_a_lost_connection_leaves_no_event_uncounted(folder):
    with rig.Redis(folder / "redis") as server:
        whole = start_load(folder, server.url(), "whole", "--tasks", "3000", "--seed", "3")
        all_of_them = result(folder, whole)[1]["events"]
        client = redis.Redis.from_url(server.url())

        def published():
            return client.info("commandstats")["cmdstat_publish"]["calls"]
        before = published()
        load = start_load(folder, server.url(), "load", "--tasks", "3000", "--seed", "3",
                          "--rate", "4000")
        rig.wait_for(lambda: published() > before + 1000, interval=0.01)
        server.process.kill()
        server.start()
        told, expect = result(folder, load)
    assert told["reconnects"] >= 1
    for name, count in all_of_them.items():
        if name != "worker-heartbeat":
            assert expect["events"][name] + expect["unsure"][name] == count, name
    assert sum(expect["tasks"].values()) + expect["tasks_unsure"] == told["tasks"] == 3000

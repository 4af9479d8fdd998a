"""How long REST takes with many tasks stored while events come in."""

import datetime
import http.client
import json
import random
import time
import urllib.parse

from .dataset import Dataset
from .probe import percentiles
from .stand import Broker
from .throughput import figures

QUIET_SECONDS = 60  # of events alone, before the calls


class Client:
    """GET over one connection that is kept."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path, query):
        """Status, seconds and the answer."""
        text = urllib.parse.urlencode(query, doseq=True)
        began = time.monotonic()
        self.connection.request("GET", f"/api/v1{path}" + (f"?{text}" if text else ""))
        answer = self.connection.getresponse()
        body = answer.read()
        took = time.monotonic() - began
        return answer.status, took, json.loads(body)


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat().replace("+00:00", "Z")


class Known:
    """Things of the data set that calls ask about."""

    def __init__(self, client, seed=1):
        self.random = random.Random(seed)
        oldest = client.get("/tasks", {"sort": "received_at", "limit": 1})[2]["items"][0]
        newest = client.get("/tasks", {"limit": 1})[2]["items"][0]
        self.begin = self._seconds(oldest)
        self.end = self._seconds(newest)
        self.ids = []
        for part in range(50):
            at = self.begin + (self.end - self.begin) * part / 50
            page = client.get("/tasks", {"from": iso(at), "sort": "received_at", "limit": 20})[2]
            self.ids += [task["id"] for task in page["items"]]
        self.workers = [one["id"] for one in client.get("/workers", {"limit": 200})[2]["items"]]
        self.queues = ["celery", "default", "mail", "reports", "images", "priority"]
        self.cursor = None

    @staticmethod
    def _seconds(task):
        text = task["sent_at"] or task["received_at"]
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

    def id(self):
        return self.random.choice(self.ids)

    def queue(self):
        return self.random.choice(self.queues)

    def worker(self):
        return self.random.choice(self.workers)

    def name(self):
        number = self.random.randrange(40)
        room = ("orders", "mail", "reports", "images", "search")[number % 5]
        return f"shop.{room}.step_{number}"

    def minute(self):
        at = self.begin + self.random.random() * (self.end - self.begin)
        return {"from": iso(at), "to": iso(at + 60)}


# what is asked: a function of Known and the client that makes path and query
CALLS = {
    "tasks": lambda known: ("/tasks", {}),
    "tasks, 200 a page": lambda known: ("/tasks", {"limit": 200}),
    "tasks, the oldest": lambda known: ("/tasks", {"sort": "received_at"}),
    "tasks, the next page": lambda known: ("/tasks", {"cursor": known.cursor} if known.cursor else {}),
    "tasks by status=failure": lambda known: ("/tasks", {"status": "failure"}),
    "tasks by status=success": lambda known: ("/tasks", {"status": "success"}),
    "tasks by status=revoked": lambda known: ("/tasks", {"status": "revoked"}),
    "tasks by name": lambda known: ("/tasks", {"name": known.name()}),
    "tasks by queue": lambda known: ("/tasks", {"queue": known.queue()}),
    "tasks by worker": lambda known: ("/tasks", {"worker": known.worker()}),
    "tasks by name and status": lambda known: ("/tasks", {"name": known.name(), "status": "failure"}),
    "tasks by queue, worker and status": lambda known: (
        "/tasks", {"queue": known.queue(), "worker": known.worker(), "status": "failure"}),
    "tasks of a minute": lambda known: ("/tasks", known.minute()),
    "failures of a minute": lambda known: ("/tasks", {"status": "failure", **known.minute()}),
    "search: a whole id": lambda known: ("/tasks", {"q": known.id()}),
    "search: in many tasks": lambda known: ("/tasks", {"q": "note"}),
    "search: in one of the failures": lambda known: ("/tasks", {"q": "timeouterror", "status": "failure"}),
    "search: nowhere": lambda known: ("/tasks", {"q": "there is no such text"}),
    "one task": lambda known: (f"/tasks/{known.id()}", {}),
    "its history": lambda known: (f"/tasks/{known.id()}/events", {}),
    "workers": lambda known: ("/workers", {}),
    "one worker": lambda known: (f"/workers/{urllib.parse.quote(known.worker(), safe='')}", {}),
    "queues": lambda known: ("/queues", {}),
    "metrics": lambda known: ("/metrics", {}),
    "metrics of an hour": lambda known: ("/metrics", {"window": "1h"}),
    "metrics of a day": lambda known: ("/metrics", {"window": "24h"}),
    "timeseries": lambda known: ("/metrics/timeseries", {}),
    "timeseries by name": lambda known: ("/metrics/timeseries", {"group_by": "name"}),
    "timeseries by worker": lambda known: ("/metrics/timeseries", {"group_by": "worker"}),
    "timeseries of a day by status": lambda known: (
        "/metrics/timeseries", {"group_by": "status", "from": iso(known.end - 86400)}),
    "system": lambda known: ("/system", {}),
}


def ask(client, known, rounds, seconds, running):
    """Every call, again and again: {name: [seconds]}, and what was not answered with 200."""
    took = {name: [] for name in CALLS}
    refused = {}
    end = time.monotonic() + seconds
    for _ in range(rounds):
        if time.monotonic() > end:
            break
        if not running():
            raise RuntimeError("the load has ended before the calls")
        for name, make in CALLS.items():
            path, query = make(known)
            status, seconds, answer = client.get(path, query)
            took[name].append(seconds)
            if status != 200:
                refused[name] = {"count": refused.get(name, {}).get("count", 0) + 1, "answer": answer}
            if name.startswith("tasks, the next"):
                known.cursor = answer.get("next_cursor")
    return took, refused


def measure(database, tasks, rate, rounds, seconds, say):
    dataset = Dataset(database, tasks)
    say(f"  the data set of {tasks:,} tasks is in {dataset.folder}")
    made = dataset.get(say)
    broker = Broker(dataset.folder, "redis")
    try:
        with dataset.stand(broker) as stand:
            # a seed that no other run has had, or its tasks would be there already
            load = stand.load(rate=rate, seconds=86400, seed=time.time_ns() % 2**60)
            stand.warm_up(load)
            meter = stand.meter()
            time.sleep(QUIET_SECONDS)
            before = meter.stop()
            client = Client(stand.kanchi.port)
            known = Known(client)
            meter = stand.meter()
            took, refused = ask(client, known, rounds, seconds, lambda: load.process.running)
            usage = meter.stop()
            load.process.send(15)
            told = load.wait(60)
            stand.settle(120)
            held = stand.kanchi.get("/system")["storage"]
            calls = {name: percentiles(values) for name, values in took.items()}
            return {"broker": "redis", "database": database, "made": made, "calls": calls, "refused": refused,
                    "usage": usage, "usage_before": before, "asked_rate": rate, "storage": held,
                    "command": made["command"], "sent": figures(told, usage, None)["sent"]}
    finally:
        broker.stop()

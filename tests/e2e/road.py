"""The whole road: a recorder, Celery workers, and Kanchis that watch the same broker."""

import collections
import http.client
import json
import os
import signal
import subprocess
import urllib.parse

import rig
from rig.celery_worker import sample_environment

RELEASE = False  # conftest.py


class Client:
    """GET over one connection."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def get(self, path, **query):
        text = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
        url = f"/api/v1{path}" + (f"?{text}" if text else "")
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self.connection.request("GET", url)
                answer = self.connection.getresponse()
                body = answer.read()
                break
            except (http.client.HTTPException, OSError):
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise
        if answer.status != 200:
            raise LookupError(f"GET {url[:200]}: {answer.status} {body[:500]!r}")
        return json.loads(body)

    def all_items(self, path, **query):
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def task(self, ident):
        return self.get("/tasks/" + urllib.parse.quote(ident, safe=""))

    def task_events(self, ident):
        return list(self.all_items(f"/tasks/{urllib.parse.quote(ident, safe='')}/events", limit=200))


class Watcher(rig.Kanchi):
    """A Kanchi that believes events alone, with what tests of the road ask it."""

    def __init__(self, folder, broker_url, database=None, config=None):
        config = {"control": {"reconcile": False, "look_into_queues": False},
                  **(config or {})}
        super().__init__(folder, [broker_url], database=database, config=config, release=RELEASE)
        self.client = Client(self.port)

    def start_all(self):
        self.up(timeout=30)
        rig.wait_for(lambda: self.source()["state"] == "connected", 20, "connected to the broker")
        return self

    def system(self):
        return self.client.get("/system")

    def source(self):
        return self.system()["ingestion"]["default"]

    def wait_settled(self, received, timeout=30):
        """Until so many events have come in, and each of them is stored."""
        def settled():
            now = self.source()
            assert now["events_received"] >= received, f"{now['events_received']} of {received}: {now}"
            assert now["backlog_events"] == 0, f"{now}"
            return now
        return rig.wait_for(settled, timeout, "every event stored")

    def pid_of(self, service):
        return next(one["pid"] for one in self.system()["services"] if one["name"] == service)

    def memory(self):
        """Resident bytes of each service, by name."""
        sizes = {}
        for one in self.system()["services"]:
            with open(f"/proc/{one['pid']}/statm", encoding="ascii") as file:
                sizes[one["name"]] = int(file.read().split()[1]) * 4096
        return sizes

    def dump(self):
        """Every task with its history, by id; without what says when it came here."""
        listed = [one["id"] for one in self.client.all_items("/tasks", limit=200)]
        tasks = {}
        for ident in listed:
            events = self.client.task_events(ident)
            for event in events:
                del event["received_at"]
            tasks[ident] = dict(self.client.task(ident),
                                events=sorted(events, key=lambda one: json.dumps(one, sort_keys=True)))
        assert len(tasks) == len(listed), "a task is listed twice"
        return tasks

    def series(self, start, end, group_by):
        """Counts by (minute, key, status), the latter without zeros."""
        answer = self.client.get("/metrics/timeseries", **{"from": start, "to": end}, step="1m",
                                 group_by=group_by)
        return answer["series"]


class Recording:
    """What was sent, and what Celery's receiver saw of it."""

    def __init__(self, folder):
        self.folder = folder
        self.manifest = [json.loads(line) for line in open(folder / "manifest.jsonl", encoding="utf-8")]
        self.records = [json.loads(line) for line in open(folder / "events.jsonl", encoding="utf-8")]
        self.events = [one["event"] for one in self.records]
        self.live_states = json.loads((folder / "state.json").read_text())
        self.by_id = {one["id"]: one for one in self.manifest}


class Traffic:
    """A recorder, two workers and 2,000 tasks."""

    def __init__(self, folder, url, backend_url, version="main", pool="prefork"):
        self.folder = folder
        self.threads = pool == "threads"
        self.python = rig.python_of(version)
        self.env = sample_environment(url, backend_url)
        self.url, self.backend_url, self.version, self.pool = url, backend_url, version, pool
        self.processes = []
        self.recorder = self.start("recorder")
        self.recorder.wait_for(lambda: (folder / "ready").exists(), 20)
        self._read = 0
        self.seen = collections.Counter()
        self.count = 0

    def start(self, module, *options):
        process = rig.Process([self.python, "-m", f"e2e.{module}", self.folder, *options], module,
                              self.folder / f"{module}.log", env=self.env, cwd=self.folder)
        self.processes.append(process)
        return process

    def worker(self, name, queues, concurrency):
        worker = rig.CeleryWorker(self.folder, self.url, name=name, version=self.version, pool=self.pool,
                                  concurrency=concurrency, queues=queues, backend_url=self.backend_url,
                                  app="e2e.app", options=("--without-gossip", "--without-mingle"))
        self.processes.append(worker)
        return worker

    def look(self):
        """Counts the events that were recorded since the last look."""
        with open(self.folder / "events.jsonl", encoding="utf-8") as file:
            file.seek(self._read)
            for line in iter(file.readline, ""):
                if not line.endswith("\n"):
                    break
                self._read += len(line.encode())
                event = json.loads(line)["event"]
                self.count += 1
                self.seen[event.get("uuid"), event["type"]] += 1
        return self.count

    def left(self):
        """Tasks of the manifest whose last event was not seen."""
        self.look()
        with open(self.folder / "manifest.jsonl", encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return [one for one in lines if one["last"] and not self.seen[one["id"], one["last"]]]

    def run(self, during=None):
        """Sends everything and waits for its end; calls during(events so far) meanwhile,
        which returns False as long as it has more to do."""
        try:
            return self._run(during)
        finally:  # a warm shutdown may hang when something has failed
            for one in self.processes:
                one.kill()

    def _run(self, during):
        during = during or (lambda count: None)
        workers = [self.worker("one", ("default", "mail"), 2), self.worker("zwei-二", ("очередь", "slow"), 1)]
        for worker in workers:
            worker.wait_ready()
        load = self.start("load", *(["--threads"] if self.threads else []))
        idle = None

        def sent():
            during(self.look())
            return load.exit_code is not None

        rig.wait_for(sent, 120, "all tasks are sent", interval=0.1)
        assert load.exit_code == 0, load.log_tail()

        def done():
            nonlocal idle
            during(self.look())
            if not self.threads:
                return not self.left()
            # A pool of threads loses events: ask the workers instead.
            idle = idle or self.start("idle")
            return idle.exit_code is not None

        try:
            rig.wait_for(done, 90, "all tasks are done", interval=0.2)
        except rig.RigError:
            print("left:", self.left()[:20])
            raise
        if idle:
            assert idle.exit_code == 0, idle.log_tail()
        rig.wait_for(lambda: during(self.look()) is not False, 60, "what is to happen meanwhile")
        for worker in workers:
            worker.stop()
        rig.wait_for(lambda: self.look() and
                     self.seen[None, "worker-offline"] >= len(workers), 20, "workers say goodbye")
        assert self.recorder.stop() == 0, self.recorder.log_tail()
        self.look()
        return Recording(self.folder)


class Killer:
    """Kills services one after the other, each when so many events have been seen."""

    def __init__(self, kanchi, services, total=8000):
        self.kanchi = kanchi
        self.plan = [(total * (one + 1) // (len(services) + 2), name)
                     for one, name in enumerate(services)]
        self.killed = []

    def __call__(self, count):
        if self.plan and count >= self.plan[0][0]:
            self.kill(count, self.plan[0][1])
        return not self.plan

    def kill(self, count, name):
        try:
            pid = self.kanchi.pid_of(name)
        except (LookupError, OSError, StopIteration):
            return  # not back yet from the kill before; the next look tries again
        if pid in (one[2] for one in self.killed):
            return
        os.kill(pid, signal.SIGKILL)
        self.killed.append((count, name, pid))
        self.plan.pop(0)


def run_process(argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, **options)

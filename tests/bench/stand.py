"""One Kanchi beside a broker and a database of its own, and the generator."""

import contextlib
import json
import pathlib
import sqlite3
import tempfile
import time
import urllib.request

import rig

from . import usage
from .probe import Probe

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRESET = "release"


def program(name):
    return ROOT / "build" / PRESET / "bench" / name


@contextlib.contextmanager
def empty_folder():
    with tempfile.TemporaryDirectory(prefix="kanchi-bench-") as path:
        path = pathlib.Path(path)
        path.chmod(0o755)
        yield path


class Load:
    """A running kanchi-load."""

    def __init__(self, folder, url, options, number):
        self.expect_path = folder / f"expect-{number}.json"
        words = [f"--{key.replace('_', '-')}" + (f"={value}" if value is not True else "")
                 for key, value in options.items()]
        self.command = "kanchi-load " + " ".join(words)
        self.process = rig.Process(
            [program("kanchi-load"), "--broker", url, "--expect", self.expect_path, *words],
            "kanchi-load", folder / f"load-{number}.log")

    def wait(self, timeout):
        """What it says at its end, with "expect" in it."""
        if self.process.wait(timeout) != 0:
            raise rig.process.RigError(f"kanchi-load: {self.process.log_tail()}")
        told = json.loads(self.process.log().splitlines()[-1])
        told["expect"] = json.loads(self.expect_path.read_text())
        return told


class Broker:
    """A private Redis or RabbitMQ with the settings of their packages."""

    def __init__(self, folder, kind, options=()):
        self.kind = kind
        if kind == "redis":
            self.server = rig.Redis(folder / "redis", options=options)
            self.url = self.server.url(0)
        else:
            self.server = rig.RabbitMQ(folder / "rabbitmq")
            self.url = self.server.url()

    def servers(self):
        return {self.kind: self.server.process.pid}

    def stop(self):
        self.server.stop()


class Stand:
    """Use as a context manager. database: "sqlite" or "postgresql"."""

    def __init__(self, folder, broker, database, config=None):
        self.folder = folder
        self.broker = broker
        self.database = database
        self.config = config
        self.postgres = None
        self.kanchi = None
        self.loads = 0

    def __enter__(self):
        url = None
        try:
            if self.database == "postgresql":
                kept = (self.folder / "postgres" / "data").exists()
                self.postgres = rig.Postgres(self.folder / "postgres")
                url = self.postgres.url() if kept else self.postgres.create_database()
            self.kanchi = rig.Kanchi(self.folder / "kanchi", [self.broker.url], database=url,
                                     config=self.config, release=True)
            self.kanchi.up(timeout=60)
            rig.wait_for(lambda: self.source()["state"] == "connected", 30, "connected to the broker")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.kanchi:
            self.kanchi.stop()
        if self.postgres:
            self.postgres.stop()

    # --- what is there ---

    def source(self):
        return self.kanchi.get("/system")["ingestion"]["default"]

    def meter(self, **more):
        launcher = self.kanchi.processes["kanchi"].pid
        services = {usage.name_of(pid): pid for pid in usage.family(launcher)}
        servers = dict(self.broker.servers())
        if self.postgres:
            servers["postgresql"] = self.postgres.process.pid
        return usage.Meter(services, {**servers, **more}).start()

    def load(self, **options):
        self.loads += 1
        return Load(self.folder, self.broker.url, options, self.loads)

    def warm_up(self, load):
        """Until the load has begun to arrive."""
        load.process.wait_for(lambda: self.source()["events_received"] > 1000, 20, "events arrive")

    def database_bytes(self):
        if self.postgres:
            return int(self.postgres.psql("SELECT pg_database_size('kanchi')"))
        return sum(path.stat().st_size for path in self.kanchi.data.glob("kanchi.db*"))

    # --- what was stored ---

    def settle(self, timeout):
        """Waits until nothing more is stored; seconds that an event sent now took."""
        end = time.monotonic() + timeout
        began = time.monotonic()
        with Probe(self.broker.url, self.kanchi.port) as probe:
            while not probe.one(timeout=20):
                if time.monotonic() > end:
                    raise rig.process.RigError(f"not stored in time: {self.source()}")
        took = time.monotonic() - began

        def quiet(seen=[]):  # noqa: B006
            now = self.source()
            seen.append((now["events_received"], now["events_stored"], now["backlog_events"]))
            return now["backlog_events"] == 0 and len(seen) > 12 and len(set(seen[-12:])) == 1
        rig.wait_for(quiet, timeout, "nothing more is stored", interval=0.25)
        return took

    def stored_task_events(self):
        """Rows in the history of tasks; number 0 has what belongs to none."""
        sql = "SELECT count(*) FROM events WHERE task <> 0"
        if self.postgres:
            return int(self.postgres.psql(sql, "kanchi"))
        with contextlib.closing(sqlite3.connect(f"file:{self.kanchi.data}/kanchi.db?mode=ro",
                                                uri=True)) as connection:
            return connection.execute(sql).fetchone()[0]

    def compare(self, told, rows=True):
        """What was sent beside what is stored. rows: count them in the database, else
        believe what Kanchi says."""
        system = self.kanchi.get("/system")
        source, tasks, probes = system["ingestion"]["default"], system["tasks"], self.probes()
        expect = told["expect"]
        others = sum(count for name, count in expect["events"].items() if name.startswith("worker-"))
        sent = told["events"] - others
        stored = self.stored_task_events() if rows else source["events_stored"] - others
        tasks["pending"] -= probes
        wrong = {status: [count, tasks[status]] for status, count in expect["tasks"].items()
                 if count != tasks[status]}
        return {"task_events_sent": sent, "task_events_stored": stored - probes,
                "missing": sent - (stored - probes), "said_lost": source["events_lost"],
                "gaps": len(source["gaps"]), "wrong_statuses": wrong}

    def probes(self):
        url = f"{self.kanchi.url}/api/v1/tasks?name=bench.probe&limit=200"
        count, cursor = 0, None
        while True:
            with urllib.request.urlopen(url + (f"&cursor={cursor}" if cursor else "")) as answer:
                page = json.load(answer)
            count += len(page["items"])
            cursor = page.get("next_cursor")
            if not cursor:
                return count

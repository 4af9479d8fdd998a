"""Many tasks in a database, made once by the whole road and kept for the next time."""

import json
import os
import pathlib
import shutil
import signal
import time

from rig.process import RigError

from .stand import ROOT, Broker, Stand

FREE = 20 << 30  # bytes that are left on the disk
PER_TASK = 2500  # bytes on the disk, about
BACKLOG = (100000, 30000)  # events: the generator waits above the first until below the second


def cache_folder():
    return pathlib.Path(os.environ.get("KANCHI_DEV_CACHE", ROOT / ".cache")) / "bench"


class Dataset:
    """A folder with the data of a Kanchi, and of a PostgreSQL if it has one."""

    def __init__(self, database, tasks):
        self.database = database
        self.tasks = tasks
        self.folder = cache_folder() / f"{database}-{tasks}"
        self.made = self.folder / "made.json"

    def get(self, say):
        """What was measured while it was made."""
        if not self.made.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.folder.chmod(0o755)
            if shutil.disk_usage(self.folder).free < FREE + PER_TASK * self.tasks:
                raise RigError(f"too little space in {self.folder} for {self.tasks:,} tasks")
            self.made.write_text(json.dumps(self._make(say), indent=1))
        return json.loads(self.made.read_text())

    def stand(self, broker):
        return Stand(self.folder, broker, self.database, config={
            "ingestion": {"memory_max": "4GB"},  # the generator is paused in time, but says so late
            "storage": {"retention_tasks": "0", "retention_events": "0"}})

    def _make(self, say):
        broker = Broker(self.folder, "redis", ("--client-output-buffer-limit", "pubsub 0 0 0"))
        try:
            with self.stand(broker) as stand:
                meter = stand.meter()
                # a task's events lie close together, so that they are merged before they are written
                load = stand.load(tasks=self.tasks, payload="small", concurrency=1, prefetch=1,
                                  seed=10)
                self._feed(stand, load.process, say)
                told = load.wait(60)
                stand.settle(600)
                return {"told": told, "usage": meter.stop(), "compared": stand.compare(told, rows=False),
                        "database_bytes": stand.database_bytes(), "command": load.command}
        finally:
            broker.stop()

    def _feed(self, stand, process, say):
        """Lets the generator run as fast as events are stored."""
        paused, told_at = False, time.monotonic()
        while process.running:
            source = stand.source()
            if source["backlog_events"] > BACKLOG[0] and not paused:
                process.send(signal.SIGSTOP)
                paused = True
            elif source["backlog_events"] < BACKLOG[1] and paused:
                process.send(signal.SIGCONT)
                paused = False
            if time.monotonic() - told_at > 60:
                told_at = time.monotonic()
                say(f"  {source['events_stored']:,} events")
            time.sleep(0.2)


def remove(database, tasks):
    shutil.rmtree(cache_folder() / f"{database}-{tasks}", ignore_errors=True)

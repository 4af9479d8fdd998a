"""Stages for tests of what the dashboard shows: a broker, a Kanchi and one browser, shared by many scenes."""

import json
import time

import celery
import redis
import rig
from e2e.hostile_test import RedisSender
from e2e.viewer import Viewer

FAST = {"ingestion": {"queue_interval": "1s"}, "control": {"interval": "5s"},
        "aggregation": {"rollup_interval": "500ms"}}


class Stage:
    """A broker of its own, a Kanchi and a browser."""

    def __init__(self, folder, config=None):
        self.folder = folder
        self.redis = rig.Redis(folder / "redis", options=("--client-output-buffer-limit", "pubsub 0 0 0"))
        self.url = self.redis.url(0)
        self.kanchi = rig.Kanchi(folder / "kanchi", [self.url],
                                 config={name: {**FAST.get(name, {}), **(config or {}).get(name, {})} for name in {**FAST, **(config or {})}})
        self.kanchi.up()
        rig.wait_for(lambda: self.kanchi.get("/system")["ingestion"]["default"]["state"] == "connected", 20, "the broker")
        self.sender = RedisSender(self.url)
        self.client = redis.Redis.from_url(self.url)
        self.celery = celery.Celery("shop", broker=self.url, backend=self.redis.url(1))
        self.celery.conf.update(task_send_sent_event=True, task_default_queue="default")
        self.viewer = Viewer(folder, self.kanchi.url)
        self.sees = self.viewer.sees

    def event(self, type, worker, **more):
        self.sender.send(json.dumps({"type": type, "hostname": worker, "pid": 1, "clock": 1, "utcoffset": 0,
                                     "timestamp": time.time(), **more}).encode())

    def online(self, worker, freq=3600, **more):
        """A worker that says so; its next heartbeat may take three times freq."""
        self.event("worker-online", worker, freq=freq, sw_ident="py-celery", sw_ver="5.6.0", sw_sys="Linux",
                   active=0, processed=0, loadavg=[0.1, 0.2, 0.3], **more)

    def send(self, name, *args, **options):
        """A task of a real client; its id."""
        return self.celery.send_task(name, args=args, **options).id

    def worker(self, name, queues=("default",), **more):
        """A real worker that sends a heartbeat each second."""
        return rig.CeleryWorker(self.folder, self.url, name=name, queues=queues, app="e2e.app", backend_url=self.redis.url(1),
                                options=("--heartbeat-interval", "1"), **more)

    def task(self, ident):
        return self.kanchi.get(f"/tasks/{ident}")

    def wait_status(self, ident, status, timeout=40):
        def look():
            found = [one for one in self.kanchi.get("/tasks", q=ident)["items"] if one["id"] == ident]
            assert found and found[0]["status"] == status, found and found[0]["status"]
            return True
        rig.wait_for(look, timeout, f"{ident} {status}")

    def wait_count(self, wanted, timeout=40, **filters):
        def look():
            found = len(list(self.kanchi.all_items("/tasks", limit=200, **filters)))
            assert found == wanted, found
            return True
        rig.wait_for(look, timeout, f"{wanted} tasks of {filters}")

    def stop(self):
        self.viewer.process.stop()
        self.sender.close()
        self.client.close()
        self.celery.close()
        self.kanchi.stop()
        self.redis.stop()

"""Records what Celery's own receiver sees: python -m e2e.recorder FOLDER

Writes into FOLDER, until SIGTERM:
  events.jsonl  each event in the order of arrival: {"key": routing key, "event": as sent}
  state.json    at the end: what celery.events.state.State made of them, by task
  ready         when it is subscribed

Custom events (task-progress) are recorded, but not given to the State: it takes
their type for a state above STARTED; in Kanchi they change no status.
"""

import copy
import json
import pathlib
import signal
import sys

from celery.events.receiver import EventReceiver
from celery.events.state import State

from .app import app

TIMES = ("sent", "received", "started", "succeeded", "failed", "rejected", "revoked", "retried")
FIELDS = ("name", "args", "kwargs", "result", "exception", "traceback", "retries", "eta", "expires",
          "runtime", "root_id", "parent_id", "exchange", "routing_key", "queue", "client",
          "terminated", "expired", "signum")
PROBE = "e2e-probe"
STANDARD = {"task-" + one for one in TIMES} | {"worker-online", "worker-heartbeat", "worker-offline"}


def new_state():
    return State(max_workers_in_memory=10**6, max_tasks_in_memory=10**7)


def task_as_dict(task):
    """What a State knows of a task, as JSON can say it."""
    known = {name: getattr(task, name, None) for name in (*TIMES, *FIELDS)}
    worker = task.worker.hostname if task.worker else None
    return {"id": task.uuid, "state": task.state, "worker": worker, **known}


def state_as_dict(state):
    return {uuid: task_as_dict(task) for uuid, task in state.tasks.items()}


class Recorder(EventReceiver):
    def __init__(self, channel, folder, dispatcher):
        super().__init__(channel, app=app, queue_ttl=3600, queue_expires=3600)
        self.dispatcher = dispatcher
        self.ready = False
        self.folder = folder
        self.state = new_state()
        self.out = open(folder / "events.jsonl", "w", encoding="utf-8", buffering=1 << 20)

    def _receive(self, body, message):
        key = message.delivery_info.get("routing_key")
        for event in body if isinstance(body, list) else [body]:
            if event["type"] == PROBE:
                self.ready = True
                (self.folder / "ready").touch()
                continue
            json.dump({"key": key, "event": event}, self.out)
            self.out.write("\n")
            kind, localized = self.event_from_message(copy.copy(event))
            if kind in STANDARD:
                self.state.event(localized)
        self.out.flush()

    def on_consume_ready(self, connection, channel, consumers, **kwargs):
        """Wakes no workers: the test wants their own events only."""

    def on_iteration(self):
        """Subscribing takes a while: sends events until one comes back."""
        if not self.ready:
            self.dispatcher.send(PROBE)


def main():
    folder = pathlib.Path(sys.argv[1])
    with app.connection_for_read() as connection, app.events.default_dispatcher() as dispatcher:
        recorder = Recorder(connection, folder, dispatcher)

        def stop(*_):
            recorder.should_stop = True

        signal.signal(signal.SIGTERM, stop)
        for _ in recorder.consume(safety_interval=0.1):
            pass
        recorder.out.close()
        (folder / "state.json").write_text(json.dumps(state_as_dict(recorder.state)))


if __name__ == "__main__":
    main()

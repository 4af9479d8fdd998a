"""Settings come from the environment: RECORDER_SETTINGS, a JSON object."""

import json
import os
import time

from celery import Celery

from recorder.values import canonical

app = Celery("recorder", broker=os.environ["SAMPLE_BROKER"])
app.conf.update({"task_send_sent_event": True, "worker_hijack_root_logger": False,
                 "broker_connection_retry_on_startup": True, "task_default_queue": "nowhere",
                 **json.loads(os.environ.get("RECORDER_SETTINGS", "{}"))})


def write(ident, what):
    with open(os.environ["RECORDER_FILE"], "a", encoding="utf-8") as out:
        out.write(json.dumps([ident, what]) + "\n")


@app.task(name="recorder.record", bind=True)
def record(self, *args, **kwargs):
    write(self.request.id, canonical([list(args), kwargs]))


@app.task(name="recorder.linger", bind=True)
def linger(self, seconds):
    """Writes down its process, and stays in it."""
    write(self.request.id, os.getpid())
    time.sleep(seconds)


@app.task(name="recorder.echo", bind=True)
def echo(self, *args, **kwargs):
    write(self.request.id, [args, kwargs, self.request.root_id, self.request.timelimit])
    return {"args": args, "long": "x" * 5000}

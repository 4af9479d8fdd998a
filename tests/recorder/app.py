"""Settings come from the environment: RECORDER_SETTINGS, a JSON object."""

import json
import os

from celery import Celery

from recorder.values import canonical

app = Celery("recorder", broker=os.environ["SAMPLE_BROKER"])
app.conf.update(task_send_sent_event=True, worker_hijack_root_logger=False,
                broker_connection_retry_on_startup=True, task_default_queue="nowhere",
                **json.loads(os.environ.get("RECORDER_SETTINGS", "{}")))


@app.task(name="recorder.record", bind=True)
def record(self, *args, **kwargs):
    line = json.dumps([self.request.id, canonical([list(args), kwargs])])
    with open(os.environ["RECORDER_FILE"], "a", encoding="utf-8") as out:
        out.write(line + "\n")

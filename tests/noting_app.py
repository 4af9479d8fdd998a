"""A Celery application whose one task notes that it ran: a line in NOTES. Its clients send
no task-sent."""

import os

from celery import Celery
from kombu import Queue

app = Celery("noting_app", broker=os.environ["SAMPLE_BROKER"])
app.conf.update(
    task_queues=[Queue(name) for name in ("from", "to")],
    task_default_queue="from",
    task_create_missing_queues=True,
    broker_transport_options={"priority_steps": [0, 3, 6, 9]},
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(name="note", bind=True)
def note(self, number, **_):
    with open(os.environ["NOTES"], "a", encoding="ascii") as notes:  # one write, appended
        notes.write(f"{number} {self.request.delivery_info['routing_key']}\n")

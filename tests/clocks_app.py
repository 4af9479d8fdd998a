"""A Celery application whose tasks end in the ways in which clocks and retries can mislead."""

import os
import time

from celery import Celery
from celery.exceptions import Reject

app = Celery("clocks", broker=os.environ.get("SAMPLE_BROKER"),
             backend=os.environ.get("SAMPLE_BACKEND") or None)
app.conf.update(task_default_queue="default", task_send_sent_event=True,
                worker_send_task_events=True, task_track_started=True, result_expires=3600,
                worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)


class Declined(Exception):
    """What a failing task raises."""


@app.task(name="clocks.work", bind=True, max_retries=10)
def work(self, fail_times=0, end="success"):
    """Is retried so often, at once and by whichever worker comes first."""
    if self.request.retries < fail_times:
        raise self.retry(exc=Declined(f"attempt {self.request.retries}"), countdown=0)
    if end != "success":
        raise Declined(end)


@app.task(name="clocks.reject", acks_late=True)
def reject():
    raise Reject("not for me", requeue=False)


@app.task(name="clocks.requeue", bind=True, acks_late=True)
def requeue(self):
    """Goes back into the queue once."""
    if not self.request.delivery_info.get("redelivered"):
        raise Reject("again", requeue=True)


@app.task(name="clocks.hang", time_limit=1)
def hang():
    time.sleep(60)

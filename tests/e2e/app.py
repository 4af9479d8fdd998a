"""A Celery application whose tasks end in every way that a task can end.

SAMPLE_BROKER and SAMPLE_BACKEND say where. Runs with Celery 5.2 and newer.
"""

import os
import time

from celery import Celery
from celery.exceptions import Ignore, Reject
from kombu import Exchange, Queue

QUEUES = ("default", "mail", "очередь", "slow")

app = Celery("e2e", broker=os.environ.get("SAMPLE_BROKER"),
             backend=os.environ.get("SAMPLE_BACKEND") or None)
app.conf.update(
    task_default_queue="default",
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
    task_send_sent_event=True,
    worker_send_task_events=True,
    task_track_started=True,
    worker_prefetch_multiplier=16,
    result_expires=600,
    result_chord_retry_interval=0.1,
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    timezone="UTC",
)


class Declined(Exception):
    """What a failing task raises."""


@app.task(name="e2e.echo")
def echo(*args, **kwargs):
    return [list(args), kwargs]


@app.task(name="e2e.add")
def add(*numbers):
    """Sums numbers and lists of numbers."""
    return sum(sum(one) if isinstance(one, list) else one for one in numbers)


@app.task(name="e2e.fail")
def fail(text, **_):
    raise Declined(text)


@app.task(name="e2e.retry", bind=True, max_retries=10)
def retry(self, fail_times):
    """Fails as often as it is told to, and is retried."""
    if self.request.retries < fail_times:
        raise self.retry(exc=Declined(f"attempt {self.request.retries}"), countdown=0.05)
    return self.request.retries


@app.task(name="e2e.give_up", bind=True, max_retries=2)
def give_up(self):
    raise self.retry(exc=Declined("for ever"), countdown=0.05)


@app.task(name="e2e.reject", acks_late=True)
def reject():
    raise Reject("not for me", requeue=False)


@app.task(name="e2e.requeue", bind=True, acks_late=True)
def requeue(self):
    """Goes back into the queue once."""
    if not self.request.delivery_info.get("redelivered"):
        raise Reject("again", requeue=True)
    return "second time"


@app.task(name="e2e.ignore")
def ignore():
    """Ends without an event."""
    raise Ignore()


@app.task(name="e2e.no_result", ignore_result=True)
def no_result():
    return "nobody reads this"


@app.task(name="e2e.big")
def big(size):
    return "x" * size


@app.task(name="e2e.big_shown", resultrepr_maxsize=64 << 20)
def big_shown(size):
    """Its result is in the event as a whole."""
    return "y" * size


@app.task(name="e2e.big_error")
def big_error(size, text="z"):
    raise ValueError(text * size)


@app.task(name="e2e.nan")
def nan(value, **_):
    return [value, float("inf"), -float("inf")]


@app.task(name="e2e.progress", bind=True)
def progress(self, steps):
    """Sends events of a type of its own."""
    for step in range(steps):
        self.send_event("task-progress", step=step, part=step / steps, note="шаг", none=None)
    return steps


@app.task(name="e2e.sleep")
def sleep(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name="e2e.hard_limit", time_limit=1)
def hard_limit():
    time.sleep(30)


@app.task(name="e2e.soft_limit", soft_time_limit=1)
def soft_limit():
    time.sleep(30)


@app.task(name="商店.订单.确认")
def confirm(订单, **kwargs):
    return {"订单": 订单, "готово": True, **kwargs}


@app.task(name="задачи/с пробелом и 'кавычками' \"и\" %2F")
def odd_name(*args):
    return list(args)

"""A shop's Celery application, to have something to watch.

SAMPLE_BROKER and SAMPLE_BACKEND say where; celery -A sample_app.app worker. Runs
with Celery 5.2 and newer.
"""

import os
import random
import time

from celery import Celery
from kombu import Exchange, Queue

BROKER = os.environ.get("SAMPLE_BROKER", "redis://localhost:6379/0")
QUEUES = ("default", "mail", "reports", "priority")

app = Celery("sample_app", broker=BROKER, backend=os.environ.get("SAMPLE_BACKEND") or None)
app.conf.update(
    task_default_queue="default",
    task_queues=[
        Queue(name, Exchange(name), routing_key=name,
              queue_arguments={"x-max-priority": 10} if name == "priority" else None)
        for name in QUEUES
    ],
    task_routes={
        "shop.mail.*": {"queue": "mail"},
        "shop.report.*": {"queue": "reports"},
        "shop.urgent": {"queue": "priority"},
    },
    broker_transport_options={"priority_steps": [0, 3, 6, 9]},
    task_send_sent_event=True,
    worker_send_task_events=os.environ.get("SAMPLE_EVENTS", "1") == "1",
    worker_prefetch_multiplier=2,
    worker_hijack_root_logger=False,
    result_extended=True,
    result_expires=3600,
    task_track_started=True,
    broker_connection_retry_on_startup=True,
    timezone="UTC",
    beat_schedule={
        "stock-every-ten-seconds": {"task": "shop.stock.count", "schedule": 10.0},
    },
)

# Some tasks take their time in the demo; tests set it to 0.
PACE = float(os.environ.get("SAMPLE_PACE", "1"))


def pause(seconds):
    if PACE:
        time.sleep(seconds * PACE * random.uniform(0.5, 1.5))


class PaymentDeclined(Exception):
    """What a failing task raises."""


@app.task(name="shop.order.price")
def price(order, items=1):
    pause(0.01)
    return {"order": order, "total": items * 1995, "currency": "EUR"}


@app.task(name="shop.order.pay")
def pay(total, method="card"):
    pause(0.2)
    return {"paid": total["total"] if isinstance(total, dict) else total, "method": method}


@app.task(name="shop.order.decline")
def decline(order, reason="insufficient funds"):
    pause(0.05)
    raise PaymentDeclined(f"order {order}: {reason}")


@app.task(name="shop.mail.send", bind=True, max_retries=5)
def send_mail(self, to, fail_times=0):
    """Fails as often as it is told to, and is retried."""
    pause(0.1)
    if self.request.retries < fail_times:
        raise self.retry(exc=ConnectionError("mail server is busy"), countdown=0.2 * (PACE or 0.1))
    return f"sent to {to}"


@app.task(name="shop.mail.give_up", bind=True, max_retries=1)
def give_up(self, to):
    raise self.retry(exc=ConnectionError("mail server is gone"), countdown=0.1)


@app.task(name="shop.report.build")
def build_report(rows):
    pause(1.5)
    return [f"row {number}" for number in range(rows)]


@app.task(name="shop.order.review")
def review(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name="shop.partner.push", rate_limit="1/h")
def push(order):
    """All but the first wait in the worker."""
    return order


@app.task(name="shop.report.add")
def add(numbers):
    return sum(numbers)


@app.task(name="shop.report.square")
def square(number):
    pause(0.05)
    return number * number


@app.task(name="shop.stock.count")
def count_stock():
    pause(0.3)
    return {"apples": 3, "pears": float("nan")}


@app.task(name="shop.urgent")
def urgent(order):
    return order


@app.task(name="shop.big")
def big(size):
    """A result of so many bytes."""
    return "x" * size


@app.task(name="shop.big_error")
def big_error(size):
    raise ValueError("y" * size)


@app.task(name="shop.nan")
def nan(value):
    return [value, float("inf"), -float("inf")]


@app.task(name="shop.echo")
def echo(*args, **kwargs):
    return [list(args), kwargs]


@app.task(name="商店.订单.确认")
def confirm(订单, **kwargs):
    return {"订单": 订单, "готово": True, **kwargs}


@app.task(name="shop.ignored", ignore_result=True)
def ignored():
    return "nobody reads this"

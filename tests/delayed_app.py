"""A Celery application with a quorum queue: Celery 5.5 and newer keep its delayed tasks in
RabbitMQ (native delayed delivery)."""

import os

from celery import Celery
from kombu import Exchange, Queue

app = Celery("delayed_app", broker=os.environ["SAMPLE_BROKER"])
app.conf.update(
    task_queues=[Queue("slow", Exchange("slow", type="topic"), routing_key="slow",
                       queue_arguments={"x-queue-type": "quorum"})],
    task_default_queue="slow",
    task_default_exchange="slow",
    task_default_exchange_type="topic",
    task_default_routing_key="slow",
    task_send_sent_event=True,
    worker_send_task_events=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="delayed.noop")
def noop():
    pass

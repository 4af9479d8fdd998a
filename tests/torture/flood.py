"""What floods Kanchi, and what asks it meanwhile, each a process of its own so that neither waits
for the other: flood.py names|workers|queues REDIS_PORT COUNT, flood.py rabbitmq URL COUNT, or
flood.py probe HTTP_PORT FILE."""

import base64
import http.client
import json
import sys
import time
import uuid

import redis

HEAD = ("/healthz", "/readyz", "/metrics")
SEPARATOR = "\x06\x16"

# What each page of the dashboard asks for, and what a client may ask besides.
PATHS = (
    "/tasks", "/tasks?limit=500", "/tasks?status=received", "/tasks?status=failure", "/tasks?q=nowhere",
    "/tasks?name=flood.nowhere", "/tasks?queue=flood_1", "/tasks?worker=flood1@host",
    "/workers", "/workers?limit=500", "/workers?status=offline", "/workers/flood1@host",
    "/workers/flood1@host/life", "/queues", "/queues?limit=500", "/queues/flood_1",
    "/task-names", "/task-names?q=99", "/failures", "/metrics", "/metrics/history", "/metrics/timeseries",
    "/metrics/timeseries?group_by=name", "/metrics/timeseries?group_by=queue",
    "/metrics/timeseries?group_by=worker", "/metrics/timeseries?name=flood.1",
    "/metrics/totals", "/metrics/totals?group_by=name", "/metrics/totals?group_by=queue",
    "/metrics/totals?group_by=worker", "/system", "/audit", "/jobs", "/commands",
)


def event(kind, **fields):
    return {"type": kind, "hostname": "flood@host", "utcoffset": 0, "pid": 1, "clock": 1,
            "timestamp": time.time(), **fields}


def received(number, **fields):
    return event("task-received", uuid=str(uuid.uuid4()), args="()", kwargs="{}", clock=number, **fields)


EVENTS = {
    "names": ("task.multi", lambda n: received(n, name=f"flood.{n}.{'x' * 40}")),
    "workers": ("worker.heartbeat", lambda n: event(
        "worker-heartbeat", hostname=f"flood{n}@host", freq=2, active=0, processed=1,
        loadavg=[1, 1, 1], sw_ident="py-celery")),
    "queues": ("task.multi", lambda n: event(
        "task-sent", uuid=str(uuid.uuid4()), name="flood.queue", args="()", kwargs="{}", clock=n,
        queue=f"flood_{n}", routing_key=f"flood_{n}", exchange="")),
}


def message(events, routing_key):
    body = base64.b64encode(json.dumps(events).encode()).decode()
    return json.dumps({
        "body": body, "content-encoding": "utf-8", "content-type": "application/json", "headers": {},
        "properties": {"delivery_mode": 1, "priority": 0, "body_encoding": "base64",
                       "delivery_info": {"exchange": "celeryev", "routing_key": routing_key},
                       "delivery_tag": str(uuid.uuid4())}})


def publish(what, port, count, rate=10_000):
    """Events at a rate that storage keeps up with: the number of names is what is tried here."""
    client = redis.Redis(port=port)
    key, make = EVENTS[what]
    start = time.monotonic()
    for first in range(0, count, 100):
        events = [make(number) for number in range(first, min(first + 100, count))]
        client.publish(f"/0.celeryev/{key}", message(events, key))
        time.sleep(max(0, start + first / rate - time.monotonic()))
    if what == "queues":
        bind(client, count)


def bind(client, count):
    """Half of them in one exchange, each other one in an exchange of its own; each holds a message."""
    for first in range(0, count, 1000):
        pipe = client.pipeline(transaction=False)
        for number in range(first, min(first + 1000, count)):
            name = f"flood_{number}"
            exchange = "flood" if number % 2 else name
            pipe.sadd(f"_kombu.binding.{exchange}", f"{name}{SEPARATOR}{SEPARATOR}{name}")
            pipe.lpush(name, "{}")
        pipe.execute()


def publish_to_rabbitmq(url, count):
    """As many queues, and an event of a task in each."""
    import amqp
    import urllib.parse
    at = urllib.parse.urlsplit(url)
    connection = amqp.Connection(f"{at.hostname}:{at.port}", userid=at.username, password=at.password,
                                 virtual_host=urllib.parse.unquote(at.path[1:]))
    connection.connect()
    channel = connection.channel()
    channel.exchange_declare("celeryev", "topic", durable=True, auto_delete=False)
    key, make = EVENTS["queues"]
    for first in range(0, count, 100):
        events = [make(number) for number in range(first, min(first + 100, count))]
        for one in events:
            channel.queue_declare(one["queue"], durable=False, auto_delete=False)
        channel.basic_publish(amqp.Message(json.dumps(events), content_type="application/json",
                                           content_encoding="utf-8"), "celeryev", key)
    connection.close()


def probe(port, file):
    """One request after the other, for ever; what each took, a line each."""
    with open(file, "w", buffering=1) as out:
        while True:
            for path in (*HEAD, *("/api/v1" + path for path in PATHS)):
                start = time.monotonic()
                try:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    size, status = len(answer.read()), answer.status
                    connection.close()
                except OSError as error:
                    size, status = 0, repr(error)
                out.write(json.dumps([time.time(), path, status, time.monotonic() - start, size]) + "\n")
                time.sleep(0.02)


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        probe(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "rabbitmq":
        publish_to_rabbitmq(sys.argv[2], int(sys.argv[3]))
    else:
        publish(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

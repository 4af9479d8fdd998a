"""Messages that are wrong are counted and named, and the next event is stored."""

import base64
import json
import re
import time
import uuid

import amqp
import pytest
import redis
import rig
from e2e import road

FAR = 253_402_300_799  # the last second of the year 9999


def event(**more):
    return {"type": "task-received", "uuid": str(uuid.uuid4()), "hostname": "w@test", "pid": 1,
            "clock": 1, "utcoffset": 0, "timestamp": time.time(), "name": "app.ok", "args": "()",
            "kwargs": "{}", **more}


def without(key):
    return {name: value for name, value in event().items() if name != key}


def text(value):
    return json.dumps(value).encode()


def deep(levels):
    return b'{"type":"task-received","uuid":"deep","hostname":"w","timestamp":1,"x":' \
        + b"[" * levels + b"]" * levels + b"}"


# name: body, what the log line has to say (a pattern), content type
HOSTILE = {
    "garbage": (b"\x00\x01\xfe garbage \xff", r"parsed|UTF-8", "application/json"),
    "nothing": (b"", r"parsed", "application/json"),
    "not UTF-8": (text(event(name="X")).replace(b'"X"', b'"\xff\xfe"'), "not UTF-8", "application/json"),
    "1,000 levels": (deep(1000), "too deep", "application/json"),
    "100,000 levels": (deep(100_000), "too deep", "application/json"),
    "no uuid": (text(without("uuid")), "no uuid", "application/json"),
    "no type": (text(without("type")), "no type", "application/json"),
    "no timestamp": (text(without("timestamp")), "timestamp", "application/json"),
    "year 9999": (text(event(timestamp=FAR)), "timestamp", "application/json"),
    "timestamp NaN": (text(event(timestamp=float("nan"))), "timestamp", "application/json"),
    "timestamp is text": (text(event(timestamp="soon")), "timestamp", "application/json"),
    "a number": (b"42", "no object", "application/json"),
    "pickle": (b"\x80\x04\x95", "serializer", "application/x-python-serialize"),
    "cut off": (text(event())[:-20], "parsed", "application/json"),
}


class RedisSender:
    """Publishes as kombu does; raw() without its envelope."""

    def __init__(self, url):
        self.client = redis.Redis.from_url(url)
        self.channel = f"/{url.rsplit('/', 1)[1]}.celeryev/task.received"

    def raw(self, payload):
        self.client.publish(self.channel, payload)

    def send(self, body, content_type="application/json"):
        self.raw(json.dumps({
            "body": base64.b64encode(body).decode(), "content-encoding": "utf-8",
            "content-type": content_type, "headers": {},
            "properties": {"delivery_mode": 1, "delivery_tag": str(uuid.uuid4()), "priority": 0,
                           "body_encoding": "base64",
                           "delivery_info": {"exchange": "celeryev", "routing_key": "task.received"}}}))

    def close(self):
        self.client.close()


class RabbitSender:
    def __init__(self, url):
        host, vhost = re.match(r"amqp://guest:guest@([^/]+)/(.*)", url).groups()
        self.connection = amqp.Connection(host, virtual_host=vhost.replace("%2F", "/"))
        self.connection.connect()
        self.channel = self.connection.channel()
        self.channel.exchange_declare("celeryev", "topic", durable=True, auto_delete=False)

    def send(self, body, content_type="application/json"):
        self.channel.basic_publish(
            amqp.Message(body, content_type=content_type, content_encoding="utf-8"),
            exchange="celeryev", routing_key="task.received")

    raw = send

    def close(self):
        self.connection.close()


@pytest.fixture(params=["redis", "rabbitmq"])
def watcher(request, folder, new_broker):
    """A Kanchi and a sender to its broker."""
    url = new_broker(request.param)
    with road.Watcher(folder, url) as kanchi:
        kanchi.start_all()
        sender = RedisSender(url) if request.param == "redis" else RabbitSender(url)
        yield kanchi, sender
        sender.close()


def wait_invalid(kanchi, count):
    return rig.wait_for(lambda: kanchi.source()["events_invalid"] >= count and
                        kanchi.source()["events_invalid"], 20, f"{count} invalid events")


def wait_stored(kanchi, ident):
    return rig.wait_for(lambda: kanchi.client.task(ident), 20, "the next event is stored")


def test_what_is_wrong_is_counted_and_named_and_the_next_event_is_stored(watcher):
    kanchi, sender = watcher
    wrong = []
    for number, (name, (body, pattern, content_type)) in enumerate(HOSTILE.items(), 1):
        before = len(kanchi.processes["kanchi"].log())
        good = event()
        sender.send(body, content_type)
        sender.send(text(good))
        wait_stored(kanchi, good["uuid"])
        if wait_invalid(kanchi, number) != number:
            wrong.append(f"{name}: counted {kanchi.source()['events_invalid']}, not {number}")
        said = kanchi.processes["kanchi"].log()[before:]
        if not re.search(pattern, said):
            wrong.append(f"{name}: no log line says {pattern!r}: {said[-300:]!r}")
    assert not wrong, "\n".join(wrong)


def test_a_wrong_event_in_a_list_takes_no_other_along(watcher):
    kanchi, sender = watcher
    good = [event(), event()]
    sender.send(text([good[0], without("uuid"), 7, event(timestamp=FAR), good[1]]))
    for one in good:
        wait_stored(kanchi, one["uuid"])
    assert wait_invalid(kanchi, 3) == 3


def test_a_flood_of_garbage_is_counted_but_does_not_flood_the_log(watcher):
    kanchi, sender = watcher
    before = kanchi.processes["kanchi"].log().count("\n")
    for _ in range(5000):
        sender.raw(b"{ garbage \xff")
    good = event()
    sender.send(text(good))
    wait_stored(kanchi, good["uuid"])
    assert wait_invalid(kanchi, 5000) == 5000
    assert kanchi.processes["kanchi"].log().count("\n") - before < 100


def test_odd_events_are_stored(watcher):
    """Nothing is wrong with these."""
    kanchi, sender = watcher
    odd = [event(name="a" * 10_000), event(args="\x00 and \u2028"), event(retries="3"),
           event(extra={"deep": {"er": [1, None, float("inf")]}}), event(type="task-my-own", x=1),
           event(clock=2**63), event(pid=None), event(uuid="\U0001f389/ü"),
           event(eta="not a time", expires=12), event(hostname=""), event(timestamp=int(time.time()))]
    for one in odd:
        sender.send(text(one))
    for one in odd:
        assert wait_stored(kanchi, one["uuid"])["id"] == one["uuid"]
    assert kanchi.source()["events_invalid"] == 0

#!/usr/bin/env python3
"""Writes celery_state.tsv: random sequences of task events in order, and what
Celery's own celery.events.state.State says of the task after each sequence.

    pip install 'celery==5.6.*' && ./celery_state.py > celery_state.tsv

Lines: E and the fields of an event, then one line S with the expected task.
"-" is absent. Times are microseconds.
"""
import datetime
import random

from celery.events.state import State

EVENT = ("name args kwargs root_id parent_id retries eta expires queue exchange routing_key "
         "result runtime exception traceback terminated expired signum").split()
TIMES = "sent received started succeeded failed rejected revoked retried".split()


def iso(us):
    when = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (when + datetime.timedelta(microseconds=us)).isoformat()


def us(text):
    when = datetime.datetime.fromisoformat(text)
    zero = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (when - zero) // datetime.timedelta(microseconds=1)


def message(rnd):
    return dict(
        name=rnd.choice(["app.add", "app.mul"]), args=f"({rnd.randrange(9)},)",
        kwargs=rnd.choice(["{}", "{'a': 1}"]), root_id="root", parent_id=rnd.choice(["p1", "p2"]),
        retries=rnd.randrange(4),
        eta=rnd.choice([None, iso(1_700_000_000_000_000 + rnd.randrange(10**9))]),
        expires=rnd.choice([None, iso(1_800_000_000_000_000 + rnd.randrange(10**9))]))


def body(rnd, kind):
    if kind == "sent":
        return dict(message(rnd), queue=rnd.choice("qr"), exchange=rnd.choice(["", "x"]),
                    routing_key=rnd.choice("qr"))
    if kind == "received":
        return message(rnd)
    if kind == "succeeded":
        return dict(result=rnd.choice(["1", "'two'"]), runtime=rnd.randrange(1, 4096) / 1024)
    if kind in ("failed", "retried"):
        return dict(exception=rnd.choice(["E()", "F(1)"]), traceback=rnd.choice(["tb 1", "tb 2"]))
    if kind == "revoked":
        return dict(terminated=rnd.random() < .5, expired=rnd.random() < .5,
                    signum=rnd.choice([None, "15", "SIGKILL"]))
    return {}


def cell(value):
    if value is None:
        return "-"
    if value is True or value is False:
        return str(int(value))
    return str(value)


def main():
    rnd = random.Random(20261123)
    print("# made by celery_state.py with celery", __import__("celery").__version__)
    usual = ["sent", "received", "started", "succeeded"]
    for number in range(400):
        state, at, clock = State(), 1_750_000_000_000_000, rnd.randrange(100)
        kinds = usual[:rnd.randrange(1, 5)] if number % 5 == 0 else \
            [rnd.choice(TIMES) for _ in range(rnd.randrange(1, 9))]
        for kind in kinds:
            at += rnd.choice([0, 0, 1, 1000, 10**6]) * 64  # binary fractions stay exact enough
            clock += rnd.randrange(1, 5)
            fields = body(rnd, kind)
            host = "client" if kind == "sent" else rnd.choice(["w1@a", "w2@b"])
            event = dict(fields, type="task-" + kind, uuid="t", hostname=host, pid=1, clock=clock,
                         utcoffset=0, timestamp=at / 1e6, local_received=at / 1e6)
            state.event(event)
            row = dict(fields)
            for key in ("eta", "expires"):
                row[key] = us(row[key]) if row.get(key) else None
            print("E", kind, at, clock, host, *(cell(row.get(k)) for k in EVENT), sep="\t")
        task = state.tasks["t"]
        row = {k: getattr(task, k, None) for k in EVENT}
        for key in ("eta", "expires"):
            row[key] = us(row[key]) if row.get(key) else None
        times = [round(getattr(task, k) * 1e6) if getattr(task, k) else None for k in TIMES]
        print("S", task.state, cell(task.client), task.worker.hostname if task.worker else "-",
              *(cell(t) for t in times), *(cell(row.get(k)) for k in EVENT), sep="\t")


main()

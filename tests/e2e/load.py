"""Sends 2,000 tasks of all kinds: python -m e2e.load FOLDER [--seed N] [--threads]

Writes FOLDER/manifest.jsonl: {"id", "kind", "last", and what is known of "args",
"kwargs", "result"} for each task; last: the type of the event that ends it, null
when none does. --threads leaves out what a pool of threads cannot do.
"""

import argparse
import datetime
import json
import pathlib
import random
import time
import uuid

from celery import chain, chord, group

from . import app as tasks
from .app import QUEUES, app

COUNT = 2000
UNKNOWN = object()
TEXTS = (
    "plain", "", " ", "it's", 'say "hi"', "both ' and \"", "back\\slash", "C:\\new", "two\nlines",
    "tab\there", "nul\x00byte", "Привет, мир", "你好世界", "مرحبا بالعالم", "שלום", "नमस्ते", "🎉👨‍👩‍👧", "Ω≈ç√",
    "e\u0301 combining", "\u202eright to left", "ends in ...", "(1, 2", "{'a': 1}", "None", "nan",
    "<object at 0x7f>", "%s %d {}", "a,b;c", "x" * 300,
)
NUMBERS = (0, 1, -1, 2**31, -2**53, 2**64, 10**30, 0.5, -1e-300, 1e300, 3.141592653589793, 1e16, True,
           False, None)


class Load:
    def __init__(self, folder, seed, threads):
        self.rnd = random.Random(seed)
        self.threads = threads
        self.count = 0
        self.revoke = []
        self.out = open(folder / "manifest.jsonl", "w", encoding="utf-8")
        self.long_id = 200 if app.conf.broker_url.startswith("amqp") else 3000

    # --- the manifest ---

    def expect(self, ident, kind, last, args=UNKNOWN, kwargs=UNKNOWN, result=UNKNOWN):
        line = {"id": ident, "kind": kind, "last": f"task-{last}" if last else None}
        for key, value in (("args", args), ("kwargs", kwargs), ("result", result)):
            if value is not UNKNOWN:
                line[key] = value
        self.out.write(json.dumps(line) + "\n")
        self.count += 1

    def send(self, task, args=(), kwargs=None, last="succeeded", kind=None, result=UNKNOWN, **options):
        """One task, with an id that is known before it is sent."""
        ident = options.pop("task_id", None) or str(uuid.UUID(int=self.rnd.getrandbits(128), version=4))
        options.setdefault("queue", self.rnd.choice(QUEUES[:3]))
        task.apply_async(tuple(args), kwargs or {}, task_id=ident, **options)
        self.expect(ident, kind or task.name, last, list(args), kwargs or {}, result)
        return ident

    # --- values ---

    def value(self, depth=0):
        pick = self.rnd.random()
        if depth < 3 and pick < 0.1:
            return [self.value(depth + 1) for _ in range(self.rnd.randrange(4))]
        if depth < 3 and pick < 0.2:
            return {self.rnd.choice(TEXTS): self.value(depth + 1)
                    for _ in range(self.rnd.randrange(4))}
        return self.rnd.choice(TEXTS) if pick < 0.6 else self.rnd.choice(NUMBERS)

    def echo(self, args, kwargs=None, **options):
        return self.send(tasks.echo, args, kwargs, result=[list(args), kwargs or {}], **options)

    # --- kinds ---

    def values(self, count):
        for number in range(count):
            args = [self.value() for _ in range(self.rnd.randrange(4))]
            kwargs = {f"k{one}": self.value() for one in range(self.rnd.randrange(3))}
            self.echo([number, *args], kwargs)

    def nested(self):
        for depth in range(30):
            value = "core"
            for _ in range(depth):
                value = [value] if depth % 2 else {"k": value, "n": depth}
            self.echo([value], kind="nested")

    def huge(self):
        for size in (900, 1000, 1020, 1024, 1030, 2000, 50_000, 200_000):
            self.echo(["x" * size], kind="huge")
            self.echo(["'" * size], kind="huge")
            self.echo(["я" * size], {"k": list(range(size // 10))}, kind="huge")
            self.echo(list(range(size // 4)), {f"key{n}": n for n in range(size // 20)}, kind="huge")

    def endings(self):
        for number in range(140):
            self.send(tasks.fail, [self.rnd.choice(TEXTS)], {"number": number}, last="failed")
        for number in range(80):
            self.send(tasks.retry, [1 + number % 2], result=1 + number % 2)
        for _ in range(40):
            self.send(tasks.give_up, last="failed")
        for _ in range(40):
            self.send(tasks.reject, last="rejected")
        for _ in range(10):
            self.send(tasks.requeue, result="second time")
        for _ in range(40):
            self.send(tasks.ignore, last=None)
            self.send(tasks.no_result, result="nobody reads this")
        for number in range(20):
            self.send(tasks.progress, [number % 4], result=number % 4)
        for _ in range(10):
            self.send(tasks.nan, [float("nan")])
            self.send(tasks.nan, [1], {"low": -float("inf"), "high": [float("inf")]})
        for name in ("e2e.nobody", "nobody.知道"):
            ident = app.send_task(name, (1,), {"a": 2}, queue="default").id
            self.expect(ident, "unknown", "failed")

    def sizes(self):
        """A worker may put all of these into one message: together they stay below event_max."""
        for size in (1 << 10, 1 << 20, 10 << 20):
            self.send(tasks.big, [size])
        self.send(tasks.big_shown, [5_000_000])
        for size, text in ((1 << 10, "z"), (1 << 20, "z"), (1 << 18, "é")):
            self.send(tasks.big_error, [size, text], last="failed")

    def names(self):
        for number in range(20):
            self.send(tasks.confirm, [number], {"имя": "Ünïcödé"},
                      result={"订单": number, "готово": True, "имя": "Ünïcödé"})
            self.send(tasks.odd_name, [number, "ü"], result=[number, "ü"])

    def ids(self):
        some = ["1", "a/b/c", "../../etc/passwd", "with space", "  edges  ", "per%2Fcent", "q?a=1&b=2#f",
                "ключ-доступа", "订单/42", "🎉", "it's", 'quo"te', "semi;colon", "new\nline", "tab\t",
                "events", "a/events", ".", "..", "%", "%zz", "null", "-1", "<b>", "\\", "{x}", "*", "a+b",
                "L" * self.long_id, "я" * (self.long_id // 2)]
        for ident in some:
            self.echo([ident], task_id=ident, kind="custom id")
        for _ in range(2):
            self.echo(["again"], task_id="sent twice", kind="sent twice", queue="default")

    def times(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        for number in range(20):
            self.echo([number], countdown=0.5 + number / 40, kind="countdown")
            zone = datetime.timezone(datetime.timedelta(hours=number - 10))
            eta = (now + datetime.timedelta(seconds=2)).astimezone(zone)
            self.echo([number], eta=eta, expires=eta + datetime.timedelta(days=1), kind="eta")
        for number in range(20):
            self.echo([number], expires=3600 + number, kind="expires")
            # Until then a worker has it: what expires in RabbitMQ itself is gone without an event.
            ident = self.send(tasks.echo, [number], last="revoked", kind="expired", countdown=8.5,
                              expires=8)
            assert ident

    def revoked(self):
        """Told to the workers before they see the tasks."""
        idents = [str(uuid.UUID(int=self.rnd.getrandbits(128), version=4)) for _ in range(50)]
        replies = app.control.broadcast("revoke", arguments={"task_id": idents}, reply=True,
                                        timeout=3, limit=2)
        assert replies, "no worker has answered"
        for ident in idents:
            self.send(tasks.echo, ["never"], task_id=ident, last="revoked", kind="revoked")

    def canvas(self):
        for number in range(40):
            one = chain(tasks.add.s(number, 1), tasks.add.s(10), tasks.add.s(100)).apply_async(
                queue=self.rnd.choice(QUEUES[:3]))
            for step, ident in enumerate((one.parent.parent.id, one.parent.id, one.id)):
                self.expect(ident, "chain", "succeeded", result=number + (1, 11, 111)[step])
        for number in range(10):
            broken = chain(tasks.add.s(1), tasks.fail.s(), tasks.add.s(1)).apply_async()
            self.expect(broken.parent.parent.id, "chain", "succeeded", result=1)
            self.expect(broken.parent.id, "chain", "failed")
            many = group(tasks.add.s(number, other) for other in range(6)).apply_async()
            for other, child in enumerate(many.children):
                self.expect(child.id, "group", "succeeded", result=number + other)
        for number in range(10):
            body = chord([tasks.add.s(number, other) for other in range(4)])(tasks.add.s())
            for other, child in enumerate(body.parent.children):
                self.expect(child.id, "chord", "succeeded", result=number + other)
            self.expect(body.id, "chord", "succeeded", result=4 * number + 6)

    def processes(self):
        """What a pool of processes can do: limits, and ending a task that runs."""
        for _ in range(1):
            self.send(tasks.hard_limit, last="failed", queue="slow")
            self.send(tasks.soft_limit, last="failed", queue="slow")
        for signal in ("TERM", "KILL"):
            ident = self.send(tasks.sleep, [60], last="revoked", queue="slow", kind="terminated")
            end = time.monotonic() + 30
            while tasks.sleep.AsyncResult(ident).state != "STARTED":
                assert time.monotonic() < end, "the task has not started"
                time.sleep(0.02)
            app.control.revoke(ident, terminate=True, signal=signal)

    def run(self):
        kinds = [] if self.threads else [self.processes]
        for kind in (*kinds, self.revoked, self.times, self.endings, self.sizes, self.names, self.ids, self.canvas,
                     self.nested, self.huge):
            start = time.monotonic()
            kind()
            print(f"{kind.__name__}: {time.monotonic() - start:.1f} s", flush=True)
        self.values(COUNT - self.count)
        self.out.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", action="store_true")
    options = parser.parse_args()
    Load(options.folder, options.seed, options.threads).run()


if __name__ == "__main__":
    main()

"""Sends tasks of every kind at a bounded rate: python -m sample_app.traffic --rate 5"""

import argparse
import itertools
import random
import signal
import time
import uuid

from celery import chain, chord, group

from . import app as shop


def some_of_all(seed=None):
    """Endless: functions that send one thing each; what they return are task ids.

    Without a result backend there are no chords: Celery refuses them.
    """
    chords = 3 if shop.app.conf.result_backend else 0
    dice = random.Random(seed)
    names = ["ana@example.com", "björn@example.com", "张伟@example.com", "олена@example.com"]

    def one(signature, **options):
        return lambda: [signature.apply_async(**options).id]

    def workflow(canvas):
        return lambda: [canvas.apply_async().id]

    for number in itertools.count(1):
        yield dice.choices(
            [
                one(shop.price.s(number, items=dice.randint(1, 9))),
                one(shop.echo.s(number, "text", [1, [2, 3]], {"a": None}, key=True)),
                one(shop.send_mail.s(dice.choice(names), fail_times=dice.choice([0, 0, 0, 1, 2]))),
                one(shop.decline.s(number)),
                one(shop.give_up.s(dice.choice(names))),
                one(shop.build_report.s(dice.randint(10, 200))),
                workflow(chain(shop.price.s(number), shop.pay.s(method="invoice"))),
                workflow(group(shop.square.s(n) for n in range(dice.randint(2, 5)))),
                workflow(chord([shop.square.s(n) for n in range(4)], shop.add.s())),
                one(shop.price.s(number), countdown=dice.randint(2, 8)),
                one(shop.urgent.s(number), priority=dice.choice([0, 3, 6, 9])),
                one(shop.confirm.s(f"№{number}", Größe="groß")),
                one(shop.nan.s(float("nan"))),
                one(shop.price.s(number), task_id=f"order-{number}/{uuid.uuid4().hex[:8]}"),
                one(shop.big.s(dice.randint(1000, 100000))),
            ],
            weights=[30, 10, 14, 5, 2, 4, 8, 4, chords, 4, 6, 3, 1, 3, 1],
        )[0]


def run(rate, count=None, seed=None):
    """Sends about rate things a second, count of them (None: for ever); their ids."""
    ids = []
    start = time.monotonic()
    for number, send in enumerate(some_of_all(seed)):
        if count is not None and number >= count:
            return ids
        due = start + number / rate if rate else 0
        time.sleep(max(0.0, due - time.monotonic()))
        sent = send()
        if count is not None:
            ids += sent
    return ids


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=5.0, help="tasks a second, about")
    parser.add_argument("--count", type=int, help="how many; for ever when it is not given")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: exit(0))
    run(options.rate, options.count, options.seed)


if __name__ == "__main__":
    main()

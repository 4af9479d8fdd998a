"""Publishes recorded events again: python -m e2e.replay FOLDER --seed N --times N

In random order, as workers do it: some alone, some as lists under task.multi.
"""

import argparse
import json
import pathlib
import random

from celery.events.event import get_exchange
from kombu import Producer

from .app import app


ALONE = 1 << 20  # bytes; what is larger is not put together


def size(record):
    return sum(len(value) for value in record["event"].values() if isinstance(value, str))


def messages(records, rnd):
    """(routing key, body): every event once."""
    rnd.shuffle(records)
    at = 0
    while at < len(records):
        count = rnd.choice((1, 1, 2, 5, 20))
        some = records[at:at + count]
        if sum(map(size, some)) > ALONE:
            some = some[:1]
        at += len(some)
        if len(some) == 1:
            yield some[0]["key"], some[0]["event"]
        else:
            yield "task.multi", [one["event"] for one in some]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    rnd = random.Random(options.seed)
    with open(options.folder / "events.jsonl", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    with app.connection_for_write() as connection:
        producer = Producer(connection.default_channel, get_exchange(connection), serializer="json",
                            auto_declare=True)
        for _ in range(options.times):
            for key, body in messages(list(records), rnd):
                producer.publish(body, routing_key=key, delivery_mode=1)


if __name__ == "__main__":
    main()

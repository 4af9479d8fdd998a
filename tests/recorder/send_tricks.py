"""Sends generated calls of the tasks in tricks.py, and prints [id, trick, task, first call] of each.

python -m recorder.send_tricks FIRST_SEED COUNT QUEUE SERIALIZER"""

import json
import random
import sys

from kombu import Exchange

from recorder import tricks
from recorder.send import check
from recorder.values import arguments, canonical

TRICKS = ("plain",) * 8 + ("odd",) * 2 + ("mutate",) * 4 + ("alias", "alias", "reargue", "reargue",
                                                           "again", "route", "route", "replace",
                                                           "printed")
WORDS = ["", "a", "it's", "mail@example.org", "Größe", "two words", "x" * 40, "10", "None"]


def plain(rng, depth=0):
    """What nearly every call is made of: short, and readable in one way."""
    kind = rng.random()
    if depth < 2 and kind < 0.2:
        return [plain(rng, depth + 1) for _ in range(rng.randrange(4))]
    if depth < 2 and kind < 0.4:
        return {rng.choice("abcdef") + str(i): plain(rng, depth + 1) for i in range(rng.randrange(4))}
    return rng.choice((rng.choice(WORDS), rng.randrange(-10**6, 10**12), rng.uniform(-1e3, 1e3),
                       None, True, False, float(rng.randrange(100))))


def call(rng, trick, seed):
    """(task, args, kwargs, options)"""
    args = [plain(rng) for _ in range(rng.randrange(4))]
    kwargs = {name: plain(rng) for name in rng.sample(("key", "other", "third"), rng.randrange(3))}
    options = {}
    if trick == "odd":
        args, kwargs = arguments(seed)
    if trick == "mutate" or (trick == "again" and rng.random() < 0.5):
        args.append({"id": rng.randrange(100), "items": [1, "x"]})
    if trick == "printed":
        args = [tricks.Money(rng.uniform(0, 100)), tricks.Id(rng.randrange(100))]
    if trick == "alias":
        options["shadow"] = rng.choice(("adding", "tricks.mutate", "shop:pay"))
    task = {"mutate": tricks.mutate, "reargue": tricks.reargue, "again": tricks.again,
            "replace": tricks.replace}.get(trick, tricks.keep)
    return task, args, kwargs, options


def main(first, count, queue, serializer):
    sent = []
    for seed in range(first, first + 50 * count):
        rng = random.Random(seed)
        trick = rng.choice(TRICKS)
        task, args, kwargs, options = call(rng, trick, seed)
        if trick == "replace":
            args = [f"nobody-{queue}", *args]
        if trick == "route":
            options |= {"exchange": Exchange(f"x-{queue}", type="topic"), "routing_key": "a.b"}
        else:
            options["queue"] = queue
        try:
            check(args, kwargs, serializer)
            result = task.apply_async(args, kwargs, serializer=serializer, **options)
        except Exception:  # whatever a serializer says to what it does not take
            continue
        sent.append([result.id, trick, task.name, canonical([list(args), kwargs])])
        if len(sent) == count:
            break
    print(json.dumps(sent))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])

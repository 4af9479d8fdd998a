"""Sends generated calls of recorder.record, and prints their ids.

python -m recorder.send FIRST_SEED COUNT QUEUE SERIALIZER: as many calls as the serializer
takes; the others are passed over."""

import json
import sys

from kombu.serialization import dumps, loads

from recorder.app import record
from recorder.values import arguments


def check(args, kwargs, serializer):
    """Raises for what no worker can read, or put into its result backend: a worker whose
    result_extended meets that does not survive it."""
    kind, encoding, body = dumps([args, kwargs], serializer=serializer)
    got = loads(body, kind, encoding, accept=[kind])
    if record.app.conf.result_extended:
        dumps(got, serializer="json")


def main(first, count, queue, serializer):
    sent = []
    with record.app.producer_pool.acquire() as producer:
        for seed in range(first, first + 50 * count):
            args, kwargs = arguments(seed)
            try:
                check(args, kwargs, serializer)
                result = record.apply_async(args, kwargs, queue=queue, serializer=serializer,
                                            producer=producer)
            except Exception:  # whatever a serializer says to what it does not take
                continue
            sent.append([result.id, seed])
            if len(sent) == count:
                break
    print(json.dumps(sent))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])

"""Waits until the workers have nothing more to do: python -m e2e.idle FOLDER"""

import sys
import time

from .app import QUEUES, app


def busy(inspect):
    """Tasks that workers hold, and messages in queues."""
    tasks = [inspect.active(), inspect.reserved(), inspect.scheduled()]
    if not all(tasks):
        return True
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        waiting = sum(app.amqp.queues[name](channel).queue_declare().message_count for name in QUEUES)
    return waiting + sum(len(one) for answer in tasks for one in answer.values())


def main():
    inspect = app.control.inspect(timeout=2, limit=2)
    end = time.monotonic() + 60
    quiet = 0
    while quiet < 3:
        if time.monotonic() > end:
            sys.exit("the workers are still busy")
        quiet = 0 if busy(inspect) else quiet + 1


if __name__ == "__main__":
    main()

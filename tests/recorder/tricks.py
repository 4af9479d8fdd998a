"""Tasks that do what makes a retry lie: they change their arguments, replace themselves, are
retried with others. Each writes down what it was called with, before it does."""

import os
import time

from celery.exceptions import Ignore, Reject

from recorder.app import app, write
from recorder.values import canonical


class Money(float):
    """Prints another number than it is."""

    def __str__(self):
        return f"{float(self):.2f}"


class Id(int):
    def __str__(self):
        return str(int(self) + 10)


def note(task, args, kwargs):
    kind = "tuple" if isinstance(task.request.args, tuple) else "list"
    write(task.request.id, [task.request.task, task.request.retries, kind,
                            canonical([list(args), kwargs])])


def spoil(value):
    """Changes it in place, as far as it can be."""
    if isinstance(value, list):
        value.append("spoiled")
    elif isinstance(value, dict):
        if value:
            value.pop(next(iter(value)))
        else:
            value["spoiled"] = 1


@app.task(name="tricks.mutate", bind=True)
def mutate(self, *args, **kwargs):
    note(self, args, kwargs)
    for one in [*args, *kwargs.values()]:
        spoil(one)


@app.task(name="tricks.keep", bind=True)
def keep(self, *args, **kwargs):
    note(self, args, kwargs)


@app.task(name="tricks.reargue", bind=True, max_retries=3)
def reargue(self, *args, **kwargs):
    note(self, args, kwargs)
    if self.request.retries < 2 and not os.path.exists(os.environ["RECORDER_FILE"] + ".calm"):
        raise self.retry(args=(*args, self.request.retries), kwargs=kwargs, countdown=0)


@app.task(name="tricks.again", bind=True, max_retries=3)
def again(self, *args, **kwargs):
    """Retried with the same arguments."""
    note(self, args, kwargs)
    if self.request.retries < 1 and not os.path.exists(os.environ["RECORDER_FILE"] + ".calm"):
        raise self.retry(countdown=0)


@app.task(name="tricks.replace", bind=True)
def replace(self, queue, *args, **kwargs):
    note(self, (queue, *args), kwargs)
    raise self.replace(keep.signature(args, kwargs, queue=queue))


@app.task(name="tricks.leave", bind=True)
def leave(self):
    """Ends with a state of its own, of which no event tells."""
    self.update_state(state="PROGRESS")
    raise Ignore


@app.task(name="tricks.fail")
def fail():
    raise ValueError("a part of a group")


@app.task(name="tricks.requeue", bind=True, acks_late=True)
def requeue(self, *args, **kwargs):
    """Given back once, as soon as nothing holds it."""
    note(self, args, kwargs)
    file = os.environ["RECORDER_FILE"]
    while os.path.exists(file + ".hold"):
        time.sleep(0.05)
    if not os.path.exists(file + ".calm"):
        open(file + ".calm", "w", encoding="utf-8").close()
        raise Reject("later", requeue=True)

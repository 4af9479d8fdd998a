"""What the database holds against what the publisher knows."""

import array
import collections
import sqlite3
import struct

import psycopg2
from ranges import ranges

from .publisher import (IGNORED, TAKEN, UNSENT, UNSURE, host_of, name_of, numbers_of, queue_of,
                        type_of)

TYPES = ("custom", "task-sent", "task-received", "task-started", "task-succeeded", "task-failed",
         "task-rejected", "task-revoked", "task-retried")
STATUSES = ("pending", "received", "started", "success", "failure", "retry", "revoked", "rejected",
            "orphaned")
STATUS_OF = {"task-sent": "pending", "task-received": "received", "task-started": "started",
             "task-succeeded": "success", "task-failed": "failure", "task-retried": "retry"}
KINDS = {"source": 1, "name": 2, "queue": 3, "host": 4}
MINUTE = 60_000_000
SLACK = 0.25  # between the moment that we note and the one at which the broker has it


class Database:
    """One snapshot: SELECT, and nothing that storage would notice."""

    def __init__(self, url):
        self.sqlite = url.startswith("sqlite:")
        if self.sqlite:
            self.connection = sqlite3.connect(f"file:{url[7:]}?mode=ro", uri=True,
                                              isolation_level=None, timeout=20)
            self.connection.execute("BEGIN")
        else:
            self.connection = psycopg2.connect(url)
            self.connection.set_session("REPEATABLE READ", readonly=True)

    def rows(self, sql):
        cursor = self.connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


class Stored:
    """Everything that a check looks at, of one moment."""

    def __init__(self, url, publisher):
        with Database(url) as database:
            self.texts = dict(database.rows("SELECT id, text FROM dict"))
            self.tasks = database.rows("SELECT no, id, status, name, queue, source FROM tasks")
            self.numbers = self._numbers(database, publisher)
            self.counters = database.rows(
                "SELECT received, invalid, lost, stored, duplicates FROM source_counters")
            self.task_counts = database.rows("SELECT status, count FROM task_counts")
            self.rollups = database.rows("SELECT step, scope, minute, name, cells FROM rollups")
            self.marks = database.rows("SELECT done, ahead FROM batch_marks")
            self.gaps = sorted(database.rows("SELECT from_at, to_at FROM gaps"))

    def _numbers(self, database, publisher):
        """How often each event is stored, by its number; and with which time."""
        count = bytearray(len(publisher.state) // 3 * 100)
        self.at = array.array("q", bytes(8 * len(count)))
        step_of = {TYPES.index(kind): step for step, kind in
                   enumerate(("task-sent", "task-received", "task-started"))}
        first = {no: int(ident[24:], 16) * 4 for no, ident, *_ in self.tasks
                 if ident.startswith(f"{publisher.run:08x}-")}
        assert len(first) == len(self.tasks), "tasks that nobody sent"
        for task, kind, at in database.rows("SELECT task, type, at FROM events"):
            number = first[task] + step_of.get(kind, 3)
            count[number] += 1
            self.at[number] = at
        return count


def check(url, publisher, may_lose=False):
    """Raises AssertionError; returns the figures. may_lose: what a gap covers may be missing."""
    now = Stored(url, publisher)
    figures = check_events(now, publisher, may_lose)
    check_tasks(now)
    check_counters(now, figures)
    check_rollups(now, publisher)
    for done, ahead in now.marks:
        assert len(ahead) <= 64 * 8, f"{len(ahead) // 8} batches wait behind a hole at {done}: " \
            f"{struct.unpack_from('<Q', ahead)}"
    return figures


def covered(gaps, began, ended):
    return any(start / 1e6 - SLACK <= ended and began <= end / 1e6 + SLACK for start, end in gaps)


def check_events(now, publisher, may_lose):
    doubled = [number for number, count in enumerate(now.numbers) if count > 1]
    assert not doubled, f"stored twice: {ranges(doubled, most=8)}"
    missing, untold, ghosts, lost, unheard = [], [], [], 0, 0
    for message, state in enumerate(publisher.state):
        numbers = numbers_of(message)
        stored = [number for number in numbers if now.numbers[number]]
        span = publisher.began[message], publisher.ended[message]
        if state in (IGNORED, UNSENT) and stored:
            ghosts += stored
        if state == TAKEN and len(stored) < len(numbers):
            gone = [number for number in numbers if not now.numbers[number]]
            lost += len(gone)
            if not may_lose:
                missing += gone
            elif not covered(now.gaps, *span):
                untold.append((message, span))
        if state == IGNORED:
            unheard += len(numbers)
            if not covered(now.gaps, *span):
                untold.append((message, span))
    assert not ghosts, f"stored, but not published: {ranges(ghosts, most=8)}"
    assert not missing, f"{len(missing)} missing: {ranges(missing, most=8)}"
    assert not untold, f"{len(untold)} messages are missing, and no gap says so, the first one " \
        f"{untold[0]}; gaps: {[(a / 1e6, b / 1e6) for a, b in now.gaps]}"
    return {"published": publisher.events, "stored": sum(now.numbers), "lost_in_gaps": lost,
            "to_nobody": unheard, "unsure": publisher.count(UNSURE), "gaps": len(now.gaps)}


def types_stored(now, task):
    return [type_of(number) for number in range(task * 4, task * 4 + 4) if now.numbers[number]]


def check_tasks(now):
    """A task's status is that of the last of its events; the counts by status add up."""
    seen = collections.Counter()
    for _, ident, status, *_ in now.tasks:
        seen[status] += 1
        task = int(ident[24:], 16)
        types = types_stored(now, task)
        assert types, f"task {ident} without events"
        wanted = STATUS_OF[types[-1]]
        assert STATUSES[status] == wanted, f"task {ident} is {STATUSES[status]}, with {types}"
    counts = {status: count for status, count in now.task_counts if count}
    assert counts == dict(seen), f"counts by status {counts}, recounted {dict(seen)}"


def check_counters(now, figures):
    assert len(now.counters) == 1, now.counters
    received, invalid, lost, stored, duplicates = now.counters[0]
    figures |= {"received": received, "duplicates": duplicates, "counted_lost": lost}
    assert (invalid, lost) == (0, 0), f"invalid {invalid}, lost {lost}"
    assert stored == figures["stored"], f"counted {stored} as stored, there are {figures['stored']}"
    assert received == stored + duplicates, f"{received} received, {stored} + {duplicates} stored"


def recount(now, publisher):
    """Rollups of a minute from the stored events: (minute, name, queue, worker, status)."""
    counts = collections.Counter()
    known = {int(ident[24:], 16): (name, queue) for _, ident, _, name, queue, _ in now.tasks}
    number_of = {(text): ident for ident, text in now.texts.items()}
    for task, (name, queue) in known.items():
        base = task * 4
        stored = now.numbers[base:base + 4]
        assert now.texts.get(name) == (name_of(task) if stored[0] or stored[1] else None)
        assert now.texts.get(queue) == (queue_of(task) if stored[0] else None)
        for step in range(4):
            if not stored[step]:
                continue
            at = now.at[base + step]
            if not publisher.times_are_corrected:
                message = task // 25 * 3 + (0, 1, 1, 2)[step]
                wanted = round((publisher.at[message] + step * 1e-4) * 1e6)
                assert abs(at - wanted) <= 1, \
                    f"the time of event {base + step} is off by {(at - wanted) / 1e6} s"
            worker = number_of.get(host_of(task), 0) if step else 0
            status = STATUSES.index(STATUS_OF[type_of(base + step)])
            counts[at // MINUTE, name, queue, worker, status] += 1
    return counts


def cells_of(data):
    """(queue, worker, status, count) of each cell: see services/storage/task/cells.h."""
    at = 1
    assert data[0] == 1

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        queue, worker = varint(), varint()
        status = data[at]
        at += 1
        count = varint()
        for _ in ("runtimes", "waits"):
            length = varint()
            at += length
        yield queue, worker, status, count >> 1 ^ -(count & 1)


def check_rollups(now, publisher):
    """Those of each name, and of all names together, by minute, hour and day."""
    minutes = recount(now, publisher)
    wanted, found = collections.Counter(), collections.Counter()
    for step in (1, 60, 1440):
        for (minute, name, *key), count in minutes.items():
            for scope, of in ((0, 0), (1, name)):
                wanted[(step, scope, minute - minute % step, of, *key)] += count
    for step, scope, minute, name, cells in now.rollups:
        for *key, count in cells_of(bytes(cells)):
            found[(step, scope, minute, name, *key)] += count
    wrong = [(key, found[key], wanted[key]) for key in found.keys() | wanted.keys()
             if found[key] != wanted[key]]
    assert not wrong, f"{len(wrong)} of {len(wanted)} rollups differ (key, stored, recount): {wrong[:4]}"

"""What Kanchi must say of tasks, by Celery's own State and by what was really passed."""

import ast
import collections
import copy
import datetime
import fractions
import json
import math

from celery.utils.saferepr import saferepr

from .recorder import STANDARD, TIMES, new_state, state_as_dict

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
LITERAL_MAX = 1 << 20  # bytes of a text that Kanchi reads as a Python literal
# Kanchi's field: the State's
TEXTS = {
    "name": "name", "args_repr": "args", "kwargs_repr": "kwargs", "result_repr": "result",
    "error": "exception", "traceback": "traceback", "worker_id": "worker", "client": "client",
    "root_id": "root_id", "parent_id": "parent_id", "queue": "queue", "exchange": "exchange",
    "routing_key": "routing_key", "retries": "retries",
}
STATUS_OF_TYPE = {
    "task-sent": "pending", "task-received": "received", "task-started": "started",
    "task-succeeded": "success", "task-failed": "failure", "task-rejected": "rejected",
    "task-revoked": "revoked", "task-retried": "retry",
}


def microseconds(text):
    """A time of ISO 8601, or None."""
    return None if text is None else (datetime.datetime.fromisoformat(text) - EPOCH) // \
        datetime.timedelta(microseconds=1)


def same_moment(us, seconds):
    """Whether microseconds are a float's seconds, rounded. Today's floats are 0.24 µs apart."""
    if us is None or seconds is None:
        return us is seconds
    return abs(fractions.Fraction(seconds) * 10**6 - us) <= 0.625


def order(event):
    return event["timestamp"], event.get("clock", 0)


def by_task(events):
    """Events of tasks, by id, in the order of arrival."""
    found = collections.defaultdict(list)
    for event in events:
        if "uuid" in event:
            found[event["uuid"]].append(event)
    return found


def states_in_order(events):
    """What a State says that gets the events in the order in which they happened."""
    state = new_state()
    for event in sorted(events, key=order):
        if event["type"] in STANDARD:
            state.event(dict(copy.copy(event), local_received=event["timestamp"]))
    return state_as_dict(state)


def arrived_in_order(events):
    return all(order(one) <= order(two) for one, two in zip(events, events[1:]))


def short(value):
    text = repr(value)
    return text if len(text) < 120 else f"{text[:80]}…({len(text)})"


def status_of(state, starts):
    """Kanchi's status. A State goes by timestamps alone: it takes a task-retried that is late for
    the last thing that happened. It forgets a rejection that it saw started; and where events
    are missing, that a worker has received the task again since it started, or started it again
    since it ended. starts: how many task-started there are."""
    if state["state"] == "RETRY" and (state["succeeded"] or state["failed"]):
        return "success" if state["succeeded"] else "failure"
    taken = max(state["received"] or 0, state["started"] or 0)
    if state["state"] in ("RECEIVED", "STARTED") and (state["rejected"] or 0) >= taken:
        return "rejected"
    if state["state"] == "STARTED" and (state["received"] or 0) > state["started"] and (
            state["retries"] or state["rejected"]):
        return "received"
    ended = max(state["succeeded"] or 0, state["failed"] or 0)
    if state["state"] in ("SUCCESS", "FAILURE") and starts > 1 and state["started"] > ended:
        return "started"
    return state["state"].lower()


def error_of(state):
    """The event of a killed task hides its exception, but the traceback's last line has it."""
    if state["exception"] != "ExceptionWithTraceback()" or not state["traceback"]:
        return state["exception"]
    name, _, text = state["traceback"].strip().splitlines()[-1].partition(": ")
    return f"{name.rpartition('.')[2]}({text!r})"


def differences(task, state, starts):
    """Between Kanchi's task and a State's: texts for people, empty when there are none."""
    found = []

    def check(field, mine, theirs):
        if mine != theirs:
            found.append(f"{field}: {short(mine)}, State has {short(theirs)}")

    check("status", task["status"], status_of(state, starts))
    for field, other in TEXTS.items():
        check(field, task[field], error_of(state) if field == "error" else state[other])
    for kind in TIMES:
        moment, mine = state[kind], microseconds(task[f"{kind}_at"])
        if not same_moment(mine, moment):
            found.append(f"{kind}_at: {mine}, State has {moment!r}")
    for field in ("eta", "expires"):
        check(field, microseconds(task[field]), microseconds(state[field]))
    check("runtime", task["runtime"], state["runtime"])
    for field in ("terminated", "expired"):
        check(field, task[field], bool(state[field]))
    check("revoked_signum", task["revoked_signum"],
          None if state["signum"] is None else str(state["signum"]))
    return found


# --- args, kwargs and result as JSON ---


def as_json(value):
    """A value after a way through JSON: tuples are lists. ValueError when JSON can't say it."""
    return json.loads(json.dumps(value, allow_nan=False))


def is_plain(value):
    """Whether saferepr and repr write it alike: no backslash, quote or line break in its texts."""
    if isinstance(value, str):
        return value.isprintable() and "\\" not in value and "'" not in value
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return True


def has_text_keys(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and has_text_keys(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(has_text_keys, value))
    return not isinstance(value, (set, bytes, complex, frozenset))


def literal_as_json(text):
    """What a Python literal says, as JSON; LookupError when it is none, or JSON can't say it."""
    try:
        value = ast.literal_eval(text)
        if not has_text_keys(value):
            raise LookupError("keys")
        return as_json(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise LookupError(str(error)) from None


def same(one, two):
    """Equal, and of the same types: 1 is not True, and not 1.0."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, float) and isinstance(two, float):
        return one == two or math.isnan(one) and math.isnan(two)
    return type(one) is type(two) and one == two


def json_differences(task, field, passed, limit=1024):
    """passed: what was really passed, as a list with one element, or [] when that is unknown."""
    text, value, said_cut = task[f"{field}_repr"], task[field], field in task["truncated"]
    if text is None:
        return [] if value is None and not said_cut else [f"{field}: a value without a text"]
    if len(text.encode()) > LITERAL_MAX:
        return [] if value is None else [f"{field}: {short(value)} of a text that is too long"]
    if passed:
        cut = saferepr(passed[0], limit) != saferepr(passed[0], None, 10**6)
        if cut:
            return [] if value is None and said_cut else \
                [f"{field}: cut, but {short(value)}, truncated {said_cut}"]
        if said_cut and "..." not in text:
            return [f"{field}: {short(text)} is complete, but named in truncated"]
    if said_cut:
        return [] if value is None and "..." in text else [f"{field}: truncated, and {short(value)}"]
    if passed and is_plain(passed[0]):
        try:
            wanted = as_json(passed[0])
        except ValueError:
            wanted = None
        return [] if same(value, wanted) else [f"{field}: {short(value)}, passed {short(wanted)}"]
    try:
        wanted = literal_as_json(text)
    except LookupError:
        # Line breaks stand in saferepr's texts as they are, which Python refuses.
        allowed = [None] + [as_json(one) for one in passed if not math.isnan(_first_nan(one))]
        return [] if any(same(value, one) for one in allowed) else \
            [f"{field}: {short(value)} of {short(text)}"]
    return [] if same(value, wanted) else [f"{field}: {short(value)}, the literal is {short(wanted)}"]


def _first_nan(value):
    """nan when there is a nan or inf in it, else 0."""
    try:
        json.dumps(value, allow_nan=False)
        return 0.0
    except ValueError:
        return math.nan


def all_json_differences(task, line):
    """line: of the manifest."""
    found = []
    for field in ("args", "kwargs", "result"):
        passed = [line[field]] if line and field in line else []
        if field == "args" and passed:
            passed = [tuple(passed[0])]
        if field == "result" and task["result_repr"] is None:
            passed = []
        found += json_differences(task, field, passed)
    return found


# --- rollups ---


def rollup_counts(events, group_by, names=None):
    """Counts by (minute, key, status): a recount from distinct events of standard types.

    names: by task id, what Kanchi says of the task: name and queue."""
    counts = collections.Counter()
    for event in distinct(events):
        status = STATUS_OF_TYPE.get(event["type"])
        if status is None:
            continue
        minute = round(fractions.Fraction(event["timestamp"]) * 10**6) // 60_000_000 * 60_000_000
        task = names[event["uuid"]]
        worker = None if event["type"] == "task-sent" else event["hostname"]
        key = {"status": status, "name": task["name"], "queue": task["queue"], "worker": worker,
               "source": "default", None: None}[group_by]
        counts[minute, key, status] += 1
    return counts


def distinct(events):
    """Each event once: the same host, process, clock, task, type and time is the same event."""
    return {(one["hostname"], one.get("pid"), one.get("clock"), one.get("uuid"), one["type"],
             one["timestamp"]): one for one in events}.values()


def runtimes(events):
    return sorted(one["runtime"] for one in distinct(events) if one["type"] == "task-succeeded")


def series_counts(series):
    """The same from the answer of /metrics/timeseries."""
    counts = collections.Counter()
    for one in series:
        for point in one["points"]:
            for status, count in point["counts"].items():
                if count:
                    counts[microseconds(point["at"]), one["key"] or None, status] += count
    return counts

"""Workers whose clocks are wrong, and tasks whose last event misleads."""

import collections
import datetime
import json
import os
import subprocess
import time

import pytest
import redis
import rig
from rig.celery_worker import faketime, sample_environment

TASKS = int(os.environ.get("KANCHI_CLOCK_TASKS", "300"))
SETTLED = 60  # seconds, the promise
FAST = {"control": {"interval": "5s", "reconcile_after": "2s"},
        "aggregation": {"rollup_interval": "500ms"}}
SEND = """
import json, sys
from clocks_app import app
with app.producer_pool.acquire() as producer:
    print(json.dumps([app.send_task(name, producer=producer, **options).id
                      for name, options in json.load(sys.stdin)]))
"""


def send(folder, url, tasks, offset=None):
    """Sends (name, options of send_task) each; their ids."""
    env = sample_environment(url, url, **(faketime(offset) if offset else {}))
    done = subprocess.run([rig.python_of("main"), "-c", SEND], input=json.dumps(tasks), check=True,
                          timeout=120, env=env, capture_output=True, text=True, cwd=folder)
    return json.loads(done.stdout)


def worker(folder, url, name, offset=None, **options):
    return rig.CeleryWorker(folder, url, name=name, backend_url=url, app="clocks_app",
                            clock=offset, **options)


def seconds(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def states_of(url, idents):
    values = redis.Redis.from_url(url).mget([f"celery-task-meta-{one}" for one in idents])
    return {ident: json.loads(value)["status"].lower()
            for ident, value in zip(idents, values) if value}


def tasks_of(kanchi, **filters):
    return {one["id"]: one for one in kanchi.all_items("/tasks", limit=200, **filters)}


def since(kanchi, moment):
    """The tasks whose first event is younger."""
    text = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat()
    return tasks_of(kanchi, **{"from": text.replace("+00:00", "Z")})


def wait_ended(url, idents, timeout):
    def ended():
        states = states_of(url, idents)
        return len(states) == len(idents) and set(states.values()) <= {"success", "failure"} and states
    return rig.wait_for(ended, timeout, "the backend has the end of all")


def skews(kanchi):
    """What /system says of clocks: seconds ahead, by worker."""
    found = {}
    for one in kanchi.get("/system")["findings"]:
        if one["code"] == "clock_skew":
            amount = int(one["text"].split(" is ")[1].split()[0])
            found[one["subject"]] = amount if "ahead" in one["text"] else -amount
    return found


@pytest.fixture
def kanchi(folder, redis_url):
    with rig.Kanchi(folder / "kanchi", [redis_url], config=FAST) as one:
        one.up()
        yield one


def test_states_settle_to_the_backends_whatever_the_clocks_say(folder, redis_url, kanchi):
    clocks = {"right": None, "ahead": "+7200", "little": "-1.5", "behind": "-3600"}
    wanted = {f"{name}@kanchi-test": float(offset) for name, offset in clocks.items()
              if offset}
    workers = [worker(folder, redis_url, name, offset) for name, offset in clocks.items()]
    try:
        for one in workers:
            one.wait_ready()
        rig.wait_for(lambda: skews(kanchi).keys() >= wanted.keys(), 30, "the clocks are found")
        for name, skew in skews(kanchi).items():
            assert abs(skew - wanted[name]) <= 1, name
        began = time.time()
        ends = ("success", "success", "failure")
        idents = send(folder, redis_url, [
            ("clocks.work", {"kwargs": {"fail_times": i % 4, "end": ends[i % 3]}})
            for i in range(TASKS)])
        states = wait_ended(redis_url, idents, 60 + TASKS / 10)
        done = time.monotonic()

        def wrong():
            tasks = tasks_of(kanchi)
            return {(state, tasks.get(ident, {}).get("status")) for ident, state in states.items()
                    if tasks.get(ident, {}).get("status") != state}
        rig.wait_for(lambda: not wrong(), SETTLED, f"every state is the backend's: {wrong()}")
        print(f"{TASKS} tasks, {collections.Counter(states.values())}: all states are the "
              f"backend's {time.monotonic() - done:.1f} s after the last one ended")
        check_times(kanchi, idents, began, time.time())
    finally:
        for one in workers:
            one.stop()


def check_times(kanchi, idents, began, ended):
    """No duration is negative, or off by a skew; nothing lies outside the time of the test."""
    tasks = since(kanchi, began - 5)
    assert set(idents) <= tasks.keys(), "the period finds all"
    marked = 0
    for task in (tasks[ident] for ident in idents):
        for name in ("sent_at", "received_at", "started_at", "completed_at", "updated_at"):
            assert began - 2 <= seconds(task[name]) <= ended + 2, (name, task)
        assert 0 <= task["queue_wait"] <= ended - began + 2, task
        assert seconds(task["completed_at"]) - seconds(task["started_at"]) > -1, task
        assert task["runtime"] is None or 0 <= task["runtime"] <= ended - began, task
        marked += task["clock_skew"] is not None
    assert marked > len(idents) / 2, "corrected times are marked"
    for one in kanchi.get("/metrics/timeseries")["series"]:
        for point in one["points"]:
            assert (point["queue_wait"]["max"] or 0) <= ended - began + 2, point


def test_a_clock_that_is_off_by_more_than_a_day_hides_nothing(folder, redis_url, kanchi):
    """30 hours ahead, and 20 hours behind."""
    for name, offset in (("far", "+108000"), ("old", "-72000")):
        began = time.time()
        queues = {"queues": (name,)}
        with worker(folder, redis_url, name, offset, **queues):
            rig.wait_for(lambda: f"{name}@kanchi-test" in skews(kanchi), 30, "the clock is found")
            assert abs(skews(kanchi)[f"{name}@kanchi-test"] - int(offset)) <= 1
            [ident] = send(folder, redis_url, [("clocks.work", {"queue": name})])
            rig.wait_for(lambda: since(kanchi, began - 3600).get(ident, {}).get("status")
                         == "success", 30, "the task is found, and done")
            task = tasks_of(kanchi)[ident]
            assert began - 2 <= seconds(task["completed_at"]) <= time.time() + 2
            assert kanchi.get(f"/workers/{name}@kanchi-test")["status"] == "online"
        rig.wait_for(lambda: kanchi.get(f"/workers/{name}@kanchi-test")["status"] == "offline", 30,
                     "it is offline, not online for another day")


def test_the_last_event_does_not_mislead(folder, redis_url, kanchi):
    with worker(folder, redis_url, "one", concurrency=1):
        rejected, requeued, unknown, hung = send(folder, redis_url, [
            ("clocks.reject", {}), ("clocks.requeue", {}), ("clocks.nowhere", {}),
            ("clocks.hang", {})])
        again = [send(folder, redis_url, [("clocks.work", {"task_id": "nightly", "kwargs": {
            "end": end}})])[0] for end in ("success", "failure")]
        assert again == ["nightly", "nightly"]
        wanted = {rejected: "rejected", requeued: "success", unknown: "failure", hung: "failure",
                  "nightly": "failure"}
        rig.wait_for(lambda: {ident: tasks_of(kanchi).get(ident, {}).get("status")
                              for ident in wanted} == wanted, 60, "each has its end")
        tasks = tasks_of(kanchi)
        assert tasks[rejected]["completed_at"]
        assert tasks[unknown]["name"] == "clocks.nowhere"
        assert tasks[unknown]["error"] == "NotRegistered('clocks.nowhere')"
        assert tasks[hung]["error"].startswith("TimeLimitExceeded(")
        groups = {one["exception"] for one in kanchi.get("/failures")["items"]}
        assert groups == {"NotRegistered", "TimeLimitExceeded", "Declined"}
        history = [one["type"] for one in kanchi.all_items("/tasks/nightly/events")
                   if one["origin"] == "events"]
        assert history.count("task-succeeded") == history.count("task-failed") == 1

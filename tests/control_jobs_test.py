"""Bulk jobs against real workers: what was called is counted by the tasks themselves."""

import collections
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
import redis
import rig
import websocket
from rig.celery_worker import sample_environment

SERVICES = ("storage", "ingestion", "aggregation", "control", "gateway")
APP = """
import os, pathlib
from sample_app.app import app
FOLDER = pathlib.Path(__file__).parent

@app.task(name="jobs.count")
def count(number):
    with open(FOLDER / "calls", "a") as calls:
        calls.write(f"{number}\\n")
    if (FOLDER / "broken").exists():
        raise ValueError("broken")
"""


class Stand:
    """A Kanchi whose services are started one by one, and a worker that counts its calls."""

    def __init__(self, folder, broker_url, database=None, version="main"):
        self.folder, self.broker_url, self.version = folder, broker_url, version
        (folder / "jobs_app.py").write_text(APP)
        self.kanchi = rig.Kanchi(folder / "kanchi", [broker_url], database=database,
                                 config={"control": {"reply_timeout": "2s"}})
        for service in SERVICES:
            self.kanchi.start(service)
        rig.wait_for(self.kanchi.is_ready, 30, "Kanchi is ready")
        # room for those that are not yet due: with RabbitMQ 4, Celery makes none as it gets them
        self.worker = rig.CeleryWorker(folder, broker_url, version=version, app="jobs_app",
                                       concurrency=2, options=("--prefetch-multiplier=8",))
        self.worker.wait_ready()
        rig.wait_for(self.is_known, 60, "the worker's settings are known")

    def is_known(self):
        """Without its settings nobody vouches for the arguments of its tasks."""
        workers = self.kanchi.get("/workers")["items"]
        return workers and self.kanchi.get(f"/workers/{workers[0]['id']}")["conf"]

    def stop(self):
        self.worker.stop()
        self.kanchi.stop()

    def celery(self, code):
        """Runs code with the application; what it prints."""
        env = {**sample_environment(self.broker_url), "PYTHONPATH":
               f"{self.folder}:{sample_environment(self.broker_url)['PYTHONPATH']}"}
        done = subprocess.run([rig.python_of(self.version), "-c",
                               "import json; from jobs_app import app\n" + code], check=True,
                              timeout=60, env=env, capture_output=True, text=True)
        return done.stdout

    def send(self, count, **options):
        return json.loads(self.celery(
            f"print(json.dumps([app.send_task('jobs.count', args=[i], **{options!r}).id "
            f"for i in range({count})]))"))

    def calls(self):
        """How often the task was called, by its argument."""
        path = self.folder / "calls"
        return collections.Counter(path.read_text().split()) if path.exists() else {}

    def fail(self, count):
        (self.folder / "broken").touch()
        idents = self.send(count)
        self.wait_statuses(failure=count)
        (self.folder / "broken").unlink()
        return idents

    def wait_statuses(self, **wanted):
        def counted():
            found = collections.Counter(one["status"] for one in
                                        self.kanchi.all_items("/tasks", limit=500))
            assert {one: found[one] for one in wanted} == wanted, dict(found)
            return True
        rig.wait_for(counted, 60, f"tasks are {wanted}")

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"{self.kanchi.url}/api/v1{path}", method=method,
                                         data=json.dumps(body or {}).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def make(self, **body):
        status, job = self.ask("POST", "/jobs", body)
        assert status == 202, job
        return job["id"]

    def wait_job(self, ident, state="done", timeout=60):
        def ended():
            try:
                job = self.kanchi.get(f"/jobs/{ident}")
            except OSError as error:  # somebody is killed
                raise AssertionError(error) from None
            assert job["state"] == state, job
            return job
        return rig.wait_for(ended, timeout, f"the job is {state}")

    def items(self, ident, **query):
        return list(self.kanchi.all_items(f"/jobs/{ident}/items", limit=50, **query))

    def audit(self, **query):
        return self.kanchi.get("/audit", **query)["items"]


@pytest.fixture(params=[("redis", "", "main"), ("rabbitmq", "postgres", "main"),
                        ("redis", "postgres", "celery52")], ids="-".join)
def stand(request, folder):
    broker, database, version = request.param
    stand = Stand(folder, request.getfixturevalue(f"{broker}_url"),
                  request.getfixturevalue("postgres_url") if database else None, version)
    yield stand
    stand.stop()


@pytest.fixture
def simple(folder, redis_url):
    stand = Stand(folder, redis_url)
    yield stand
    stand.stop()


def test_many_tasks_are_resolved_retried_and_revoked(stand):
    idents = stand.fail(30)
    failures = {"status": "failure", "name": ["jobs.count"]}
    status, plan = stand.ask("POST", "/jobs?dry_run=true", {"action": "retry", "filter": failures})
    assert (status, plan["count"], plan["by_status"]) == (200, 30, {"failure": 30})
    assert plan["by_name"] == [{"name": "jobs.count", "count": 30}]
    for body in ({"filter": failures, "expected": 20}, {"ids": [*idents[:3], "nobody"]},
                 {"filter": failures}):
        assert stand.ask("POST", "/jobs", {"action": "retry", **body})[0] in (400, 404, 409)
    assert stand.kanchi.get("/jobs")["items"] == []

    live = websocket.create_connection(stand.kanchi.url.replace("http", "ws") + "/api/v1/ws",
                                       timeout=20)
    live.send(json.dumps({"type": "subscribe", "topics": ["jobs"]}))
    ident = stand.make(action="retry", filter=failures, expected=plan["count"], rate=30)
    job = stand.wait_job(ident)
    assert job["done"] == job["total"] == 30, stand.items(ident)
    stand.wait_statuses(failure=30, success=30)
    assert stand.calls() == {str(i): 2 for i in range(30)}
    items = stand.items(ident, state="done")
    assert {one["id"] for one in items} == set(idents)
    assert stand.kanchi.get(f"/tasks/{items[0]['new_id']}")["status"] == "success"
    assert {(one["name"], one["new_status"]) for one in items} == {("jobs.count", "success")}
    assert stand.kanchi.get(f"/jobs/{ident}")["new_tasks"] == {"success": 30}
    assert len(stand.items(ident, new_status="success")) == 30
    assert not stand.items(ident, new_status="failure")
    listed = {one["id"]: one for one in stand.kanchi.all_items("/tasks", limit=500)}
    assert listed[items[0]["id"]]["retried_as"] == [items[0]["new_id"]]
    assert listed[items[0]["new_id"]]["retry_of"] == items[0]["id"]
    for again, count in ((False, 0), (True, 30)):
        status, plan = stand.ask("POST", "/jobs?dry_run=true",
                                 {"action": "retry", "filter": failures, "again": again})
        assert (plan["count"], plan["already_retried"]) == (count, 30 - count)
    assert stand.ask("POST", "/jobs", {"action": "retry", "ids": idents})[0] == 409
    while (frame := json.loads(live.recv()))["type"] != "job:updated" \
            or frame["items"][0]["state"] != "done":
        pass
    assert frame["items"][0]["id"] == ident and frame["items"][0]["done"] == 30
    live.close()

    done = stand.make(action="resolve", filter={**failures, "resolved": False}, expected=30)
    stand.wait_job(done)
    assert len(list(stand.kanchi.all_items("/tasks", resolved="true"))) == 30
    assert not list(stand.kanchi.all_items("/tasks", resolved="false", status="failure"))
    status, task = stand.ask("DELETE", f"/tasks/{idents[0]}/resolve")
    assert status == 200 and task["resolved_at"] is None
    assert len(list(stand.kanchi.all_items("/tasks", resolved="true", limit=7))) == 29
    assert stand.ask("POST", f"/tasks/{items[0]['new_id']}/resolve")[0] == 409

    later = stand.send(5, countdown=600)
    stand.wait_statuses(received=5)
    revoke = stand.make(action="revoke", ids=[*later, idents[1]])
    job = stand.wait_job(revoke)
    assert (job["done"], job["refused"]) == (5, 1), stand.items(revoke)
    assert set(later) <= set(json.loads(stand.celery(
        "print(json.dumps(sum(app.control.inspect(timeout=2).revoked().values(), [])))")))
    assert sum(stand.calls().values()) == 60

    assert [(one["verb"], one["method"], one["outcome"]) for one in stand.audit()] == [
        ("bulk", "revoke", "partly"), ("resolve", None, "done"), ("bulk", "resolve", "done"),
        ("bulk", "retry", "done")]
    assert stand.audit(action="bulk", id=ident)[0]["result"]["done"] == 30
    assert stand.audit(target=idents[0])[0]["verb"] == "resolve"


def test_a_dry_run_says_what_is_refused_and_why(simple):
    good = simple.fail(3)
    (simple.folder / "broken").touch()
    hidden = json.loads(simple.celery(
        "print(json.dumps([app.send_task('jobs.count', args=[i], argsrepr='...').id "
        "for i in range(4)]))"))
    simple.wait_statuses(failure=7)
    (simple.folder / "broken").unlink()
    waiting = simple.send(2, countdown=600)
    simple.wait_statuses(received=2)
    idents = [*good, *hidden, *waiting]
    status, plan = simple.ask("POST", "/jobs?dry_run=true", {"action": "retry", "ids": idents})
    assert status == 200 and plan["count"] == plan["checked"] == 9, plan
    assert {one["reason"]: one["count"] for one in plan["refused"]} == {
        "the task has not finished": 2, "the arguments can't be recovered exactly": 4}
    job = simple.wait_job(simple.make(action="retry", ids=idents))
    assert (job["done"], job["refused"]) == (3, 6)
    _, plan = simple.ask("POST", "/jobs?dry_run=true", {"action": "revoke", "ids": idents})
    assert plan["refused"] == [{"reason": "the task has already finished", "count": 7}]
    assert plan["checked"] == 9


def parked(stand, count):
    """Tasks that wait in a queue that nobody consumes, every third with a priority."""
    idents = [None] * count
    for first, options in ((0, {}), (1, {}), (2, {"priority": 6})):
        numbers = list(range(first, count, 3))
        sent = json.loads(stand.celery(
            "app.conf.broker_transport_options = {'queue_order_strategy': 'priority'}\n"
            f"print(json.dumps([app.send_task('jobs.count', args=[i], queue='parked', "
            f"**{options!r}).id for i in {numbers!r}]))"))
        for number, ident in zip(numbers, sent):
            idents[number] = ident
    stand.wait_statuses(pending=count)
    return idents


def messages_of(client):
    return b"".join(value for key in client.keys("parked*") for value in client.lrange(key, 0, -1))


def kill_before_it_tells(stand, job, client):
    """In the middle of a portion: control has removed messages, and storage has not heard of it."""

    def untold():
        left = messages_of(client)
        return [one for one in stand.items(job, state="begun") if one["id"].encode() not in left]

    def count():
        return sum(client.llen(key) for key in queues)

    def running():
        return stand.kanchi.get(f"/jobs/{job}")["state"] == "running"

    control, queues = stand.kanchi.processes["control"], client.keys("parked*")
    size = count()
    while running():
        rig.wait_for(lambda: count() < size or not running(), 60, "a message is removed",
                     interval=0.0005)
        os.kill(control.pid, signal.SIGSTOP)
        if untold():
            control.kill()
            # what it told may still be on its way: storage does this after it
            stand.wait_job(stand.make(action="resolve", ids=[stand.items(job)[0]["id"]]))
            if untold():
                return
            control = stand.kanchi.start("control")
        else:
            os.kill(control.pid, signal.SIGCONT)
        size = count()
    raise AssertionError("control told storage of every portion before it could be stopped")


def test_messages_of_revoked_tasks_are_taken_out_whoever_is_killed(simple):
    idents = parked(simple, 300)
    chosen = [ident for number, ident in enumerate(idents) if number % 2]
    client = redis.Redis.from_url(simple.broker_url)
    job = simple.make(action="revoke", ids=chosen, rate=50)
    kill_before_it_tells(simple, job, client)
    simple.kanchi.start("control")
    assert simple.wait_job(job, timeout=90)["done"] == 150, simple.items(job)
    out = [one for one in simple.items(job) if "was removed" in (one["text"] or "")]
    assert len(out) >= 100
    left = messages_of(client)
    assert [ident for ident in idents if ident.encode() in left] == \
        [ident for ident in idents if ident not in set(chosen)]
    rig.wait_for(lambda: {one["id"] for one in simple.kanchi.all_items("/tasks", status="revoked")}
                 == set(chosen), 30, "they are revoked")
    # A worker that knows of no revoke runs the others, each once.
    simple.worker.stop()
    with rig.CeleryWorker(simple.folder, simple.broker_url, name="fresh", app="jobs_app",
                          queues=("parked",), options=("--without-mingle",)):
        simple.wait_statuses(success=150)
    assert simple.calls() == {str(number): 1 for number in range(0, 300, 2)}


def test_what_a_killed_control_revoked_is_done(simple):
    """It told storage that the tasks are revoked, and was killed before it told the job."""
    idents = parked(simple, 90)
    client = redis.Redis.from_url(simple.broker_url)
    job = simple.make(action="revoke", ids=idents, rate=50)
    kill_before_it_tells(simple, job, client)
    simple.celery(
        "with app.events.default_dispatcher() as dispatcher:\n"
        f"    for ident in {[one['id'] for one in simple.items(job, state='begun')]!r}:\n"
        "        dispatcher.send('task-revoked', uuid=ident, terminated=False, expired=False)\n")
    rig.wait_for(lambda: {one["id"] for one in simple.items(job, state="begun")} <=
                 {one["id"] for one in simple.kanchi.all_items("/tasks", status="revoked")},
                 30, "storage knows that they are revoked")
    simple.kanchi.start("control")
    assert simple.wait_job(job, timeout=90)["done"] == 90, simple.items(job)


def test_a_job_is_cancelled(simple):
    simple.fail(30)
    ident = simple.make(action="retry", filter={"status": "failure"}, expected=30, rate=4)
    rig.wait_for(lambda: simple.kanchi.get(f"/jobs/{ident}")["done"] >= 4, 30, "some are done")
    status, job = simple.ask("DELETE", f"/jobs/{ident}")
    assert status == 202 and job["state"] in ("cancelling", "cancelled")
    job = simple.wait_job(ident, "cancelled")
    assert job["done"] + job["cancelled"] == 30 and job["done"] < 30
    simple.wait_statuses(success=job["done"])
    assert sum(simple.calls().values()) == 30 + job["done"]
    assert simple.ask("DELETE", f"/jobs/{ident}")[0] == 409
    assert [one["verb"] for one in simple.audit()] == ["cancel", "bulk"]


@pytest.mark.parametrize("database", [None, "postgres"])
def test_no_task_is_retried_twice_whoever_is_killed(request, folder, redis_url, database):
    stand = Stand(folder, redis_url, request.getfixturevalue("postgres_url") if database else None)
    try:
        stand.fail(400)
        ident = stand.make(action="retry", filter={"status": "failure"}, expected=400, rate=100)
        begin = sum(stand.calls().values())
        for turn, service in enumerate(("control", "storage", "gateway", "control", "storage")):
            target = begin + 50 * (turn + 1)
            rig.wait_for(lambda: sum(stand.calls().values()) >= target, 60, "the job goes on")
            stand.kanchi.processes[service].kill()
            stand.kanchi.start(service)
        rig.wait_for(stand.kanchi.is_ready, 30, "Kanchi is ready")
        job = stand.wait_job(ident, timeout=90)
        assert job["done"] + job["uncertain"] == 400, job
        print(f"{job['uncertain']} uncertain")
        known = {one["id"]: one for one in stand.kanchi.all_items("/tasks", limit=500)}
        stand.wait_statuses(failure=400)
        rig.wait_for(lambda: sum(stand.calls().values()) >= 400 + job["done"], 30, "all was called")
        calls = stand.calls()
        for item in stand.items(ident):
            number = known[item["id"]]["args"][0]
            assert calls[str(number)] <= 2, item
            if item["state"] == "done":
                assert calls[str(number)] == 2, item
    finally:
        stand.stop()

"""Tasks that change their arguments, hide their name, take another way, or come again: a retry of
them repeats the right call, or is refused and says why. Real workers of both versions of Celery."""

import json
import subprocess

import kombu
import pytest
import redis
import rig
from control_retry_test import post
from rig.celery_worker import sample_environment

SEND = """
import json, sys
from kombu import Exchange, Queue
from recorder import tricks
from recorder.app import app
ids = []
for name, options in json.loads(sys.argv[1]):
    if name == "tricks.money":
        name, options["args"] = "tricks.keep", [tricks.Money(3.14159), tricks.Id(7)]
    if "exchange" in options:
        options["exchange"] = Exchange(options["exchange"], type="topic")
    ids.append(app.tasks[name].apply_async(**options).id)
print(json.dumps(ids))
"""


class Stage:
    def __init__(self, folder, url, version, settings):
        self.folder, self.url, self.version = folder, url, version
        self.file = folder / "calls"
        self.env = {"RECORDER_FILE": str(self.file), "RECORDER_SETTINGS": json.dumps(settings)}
        self.kanchi = rig.Kanchi(folder / "kanchi", [url], config={
            "control": {"reconcile_after": "2s"}})
        self.workers = []

    def worker(self, name="work", pool="solo", **more):
        one = rig.CeleryWorker(self.folder, self.url, name, version=self.version, pool=pool,
                               concurrency=1, queues=(name,), app="recorder.tricks", env=self.env,
                               **more)
        self.workers.append(one)
        one.wait_ready(90)
        rig.wait_for(lambda: any(worker["hostname"] == one.hostname and worker["queues"] and
                                 worker["inspected_at"]
                                 for worker in self.kanchi.get("/workers")["items"]),
                     120, "Kanchi knows the worker")
        return one

    def __enter__(self):
        self.kanchi.up()
        return self

    def __exit__(self, *_):
        for one in self.workers:
            one.stop()
        self.kanchi.stop()

    def send(self, *calls):
        done = subprocess.run([rig.python_of(self.version), "-c", SEND, json.dumps(calls)],
                              check=False, timeout=60, text=True, capture_output=True,
                              env=sample_environment(self.url, **self.env))
        assert done.returncode == 0, done.stderr
        idents = json.loads(done.stdout)
        rig.wait_for(lambda: set(idents) <= {one["id"] for one in
                                             self.kanchi.all_items("/tasks", limit=500)},
                     30, "Kanchi knows the tasks")
        return idents

    def calls(self, ident):
        """What was called under this id, in order."""
        if not self.file.exists():
            return []
        lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [call for one, call in lines if one == ident]

    def status(self, ident):
        return self.kanchi.get(f"/tasks/{ident}")["status"]

    def done(self, *idents):
        rig.wait_for(lambda: all(self.status(one) == "success" for one in idents), 60,
                     "all have ended")

    def retry(self, ident, query="", **body):
        return post(self.kanchi, f"/tasks/{ident}/retry{query}", body)

    def repeated(self, answer):
        """The call that a retry made."""
        rig.wait_for(lambda: self.calls(answer["id"]), 30, "the retry was called")
        return self.calls(answer["id"])[0]


@pytest.fixture(params=["main", "celery52"])
def stage(request, folder, redis_url):
    with Stage(folder, redis_url, request.param,
               {"result_backend": redis_url, "result_extended": True}) as stage:
        stage.redis = redis.Redis.from_url(redis_url)
        yield stage


def test_what_a_task_changed_is_refused_and_shown(stage):
    stage.worker()
    spoilt, kept, long, printed = stage.send(
        ("tricks.mutate", {"args": [{"id": 5, "x": 1}], "queue": "work"}),
        ("tricks.keep", {"args": [{"id": 5, "x": [1.5, None]}, "C:\\new", "it's"],
                         "kwargs": {"k": "v"}, "queue": "work"}),
        ("tricks.keep", {"args": ["x" * 3000], "queue": "work"}),
        ("tricks.money", {"queue": "work"}))
    hidden, = stage.send(("tricks.mutate", {"args": [list(range(900))], "queue": "work"}))
    stage.done(spoilt, kept, long, printed, hidden)
    for query in ("?dry_run=true", ""):
        status, answer = stage.retry(spoilt, query)
        assert status == 409 and "disagree" in answer["detail"], answer
        assert "{'id': 5, 'x': 1}" in answer["detail"] and '{"x": 1}' in answer["detail"]
    status, answer = stage.retry(spoilt, "?arguments=events")
    assert status == 202 and answer["arguments_from"] == "repr", answer
    assert stage.repeated(answer)[3] == stage.calls(spoilt)[0][3]
    for one in (kept, long):
        status, answer = stage.retry(one)
        assert status == 202 and answer["arguments_from"] == "backend", answer
        assert stage.repeated(answer)[3] == stage.calls(one)[0][3]
    status, answer = stage.retry(printed)
    assert status == 409 and "3.14159" in answer["detail"] and "17" in answer["detail"], answer
    status, answer = stage.retry(hidden)  # the change is behind the cut
    assert status == 409 and "arguments=backend" in answer["detail"], answer


def test_a_task_is_sent_again_by_its_name_and_on_its_way(stage):
    stage.worker()
    stage.worker("tq")
    stage.redis.sadd("_kombu.binding.tx", "a.b\x06\x16^a\\.b$\x06\x16tq")
    aliased, = stage.send(("tricks.keep", {"args": [2], "queue": "work", "shadow": "adding"}))
    stage.done(aliased)
    status, answer = stage.retry(aliased)
    assert status == 202 and answer["name"] == "tricks.keep", answer
    assert stage.repeated(answer)[0] == "tricks.keep"
    routed, = stage.send(("tricks.keep", {"args": [3], "exchange": "tx", "routing_key": "a.b"}))
    stage.done(routed)
    status, answer = stage.retry(routed)
    assert status == 202 and answer["queue"] == "tq" and answer["exchange"] == "tx", answer
    assert stage.repeated(answer)[3] == stage.calls(routed)[0][3]
    stage.redis.delete("_kombu.binding.tx")
    status, answer = stage.retry(routed)
    assert status == 409 and '"tx"' in answer["detail"] and '"a.b"' in answer["detail"], answer
    stage.redis.sadd("_kombu.binding.tx", "a.b\x06\x16^a\\.b$\x06\x16parked")
    waiting, = stage.send(("tricks.keep", {"args": [4], "exchange": "tx", "routing_key": "a.b"}))
    status, answer = post(stage.kanchi, f"/tasks/{waiting}", method="DELETE")
    assert status == 200 and answer["removed"] == 1, answer
    assert stage.redis.llen("parked") == 0


def test_the_first_call_and_the_last_attempt_are_both_offered(stage):
    stage.worker()
    reargued, again = stage.send(("tricks.reargue", {"args": [7], "queue": "work"}),
                                 ("tricks.again", {"args": [8, {"a": 1}], "queue": "work"}))
    stage.done(reargued, again)
    (stage.folder / "calls.calm").touch()  # retries are not retried
    first, _, last = stage.calls(reargued)
    status, shown = stage.retry(reargued, "?dry_run=true")
    assert status == 200 and shown["attempt"] == 0, shown
    assert [one["retries"] for one in shown["attempts"]] == [0, 1, 2], shown
    assert [one["args_repr"] for one in shown["attempts"]] == ["[7]", "(7, 0)", "(7, 0, 1)"]
    assert any("attempt=last" in one for one in shown["warnings"])
    status, answer = stage.retry(reargued)
    assert status == 202 and stage.repeated(answer)[3] == first[3], answer
    status, answer = stage.retry(reargued, "?attempt=last")
    assert status == 202 and answer["attempt"] == 2, answer
    assert stage.repeated(answer)[3] == last[3]
    status, answer = stage.retry(again)
    assert status == 202 and answer["attempts"] == [], answer
    assert stage.repeated(answer)[3] == stage.calls(again)[0][3]


def test_what_may_still_run_is_not_sent_again(stage):
    stage.worker()
    replaced, = stage.send(("tricks.replace", {"args": ["nobody", 5], "queue": "work"}))
    rig.wait_for(lambda: stage.redis.llen("nobody") == 1, 30, "it was replaced")
    status, answer = stage.retry(replaced)
    assert status == 409 and "force" in answer["detail"], answer
    ended, = stage.send(("tricks.keep", {"args": [1], "queue": "work"}))
    stage.done(ended)
    # a copy of a task that has ended comes back: as it does when Redis thinks a worker is lost
    message = stage.redis.lindex("nobody", 0).replace(replaced.encode(), ended.encode())
    stage.redis.lpush("work-later", message)
    stage.redis.hset("unacked", "tag", json.dumps([json.loads(message), "", "work"]))
    status, answer = stage.retry(ended)
    assert status == 409 and "acknowledged" in answer["detail"], answer
    stage.redis.hdel("unacked", "tag")
    status, answer = stage.retry(ended)
    assert status == 202 and stage.repeated(answer)[3] == stage.calls(ended)[0][3]
    assert len(stage.calls(ended)) == 1


def settled(stage, ident):
    """The first state of a task after a worker had it."""
    return rig.wait_for(lambda: (now := stage.status(ident)) not in ("received", "started") and now,
                        60, "the task is no longer running")


def depth(stage, queue):
    with kombu.Connection(stage.url) as connection:
        return connection.default_channel.queue_declare(queue, passive=True).message_count


def command(stage, method, queue):
    status, answer = post(stage.kanchi, f"/commands/{method}",
                          {"timeout": 20, "arguments": {"queue": queue}})
    assert status == 200 and not answer["missing"], answer


def check_refused(stage, ident, reason):
    for query in ("?dry_run=true", ""):
        status, answer = stage.retry(ident, query)
        assert status == 409 and "force" in answer["detail"], answer
        assert reason in answer["detail"], answer


def check_replaced(stage):
    """Its worker does not have it, and its message lies where nobody takes it."""
    parked, = stage.send(("tricks.keep", {"queue": "parked"}))  # a queue that stays as it is
    replaced, = stage.send(("tricks.replace", {"args": ["nobody", 5], "queue": "work"}))
    rig.wait_for(lambda: stage.kanchi.get(f"/tasks/{replaced}")["started_at"], 30, "it began")
    assert settled(stage, replaced) == "pending"
    assert stage.kanchi.get(f"/tasks/{replaced}")["status_from"] == "broker"
    check_refused(stage, replaced, '"nobody"')
    assert depth(stage, "nobody") == 1 and depth(stage, "parked") == 1
    stage.worker("nobody")
    stage.done(replaced)
    assert [call[0] for call in stage.calls(replaced)] == ["tricks.replace", "tricks.keep"]
    status, answer = stage.retry(replaced)
    assert status == 202 and stage.repeated(answer) == stage.calls(replaced)[1], answer
    assert stage.status(parked) == "pending"


def check_given_back(stage):
    """With Reject(requeue=True), while nobody takes it and the others in its queue."""
    hold = stage.folder / "calls.hold"
    hold.touch()
    given_back, = stage.send(("tricks.requeue", {"args": [5], "queue": "work"}))
    rig.wait_for(lambda: stage.status(given_back) == "started", 30, "it runs")
    command(stage, "cancel_consumer", "work")
    others = stage.send(*(("tricks.keep", {"args": [n], "queue": "work"}) for n in range(3)))
    hold.unlink()
    rig.wait_for(lambda: depth(stage, "work") == 4, 30, "it is among the others")
    rig.wait_for(lambda: "task-rejected" in {one["type"] for one in stage.kanchi.all_items(
        f"/tasks/{given_back}/events")}, 30, "Kanchi has heard of it")
    for wanted in (lambda: True, lambda: stage.kanchi.get("/queues/work")["depth"] == 4):
        rig.wait_for(wanted, 30, "the queue is measured")
        assert stage.status(given_back) == "pending"
        check_refused(stage, given_back, "pending")
    command(stage, "add_consumer", "work")
    stage.done(given_back, *others)
    status, answer = stage.retry(given_back)
    assert status == 202 and stage.repeated(answer)[3] == stage.calls(given_back)[0][3], answer
    assert len(stage.calls(given_back)) == 2


def check_used_again(stage):
    """Fixed ids: the latest use is repeated."""
    for number, name in enumerate(("tricks.keep", "tricks.keep", "tricks.again"), 1):
        ident, = stage.send((name, {"args": [number], "queue": "work", "task_id": "fixed"}))
        rig.wait_for(lambda: [one["type"] for one in stage.kanchi.all_items(
            "/tasks/fixed/events")].count("task-succeeded") == number, 30, f"use {number}")
        stage.done(ident)
        uses = len(stage.calls(ident))
        status, answer = stage.retry(ident)
        assert status == 202 and answer["name"] == name, answer
        assert stage.repeated(answer)[0] == name
        assert stage.repeated(answer)[3] == stage.calls(ident)[-1][3]
        assert len(stage.calls(ident)) == uses


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_what_waits_again_is_neither_lost_nor_sent_again(request, folder, redis_url, broker):
    url = request.getfixturevalue(f"{broker}_url")
    with Stage(folder, url, "main", {"result_backend": redis_url}) as stage:
        stage.worker(pool="prefork")  # commands are answered while a task runs
        if broker == "redis":
            check_used_again(stage)
        else:
            stage.done(*stage.send(("tricks.keep", {"queue": "work"})))
        check_replaced(stage)
        check_given_back(stage)


def check_alias(stage, queue, stored):
    """Without task-sent and without the message, only the result backend may have the name."""
    stage.worker(queue)
    hidden, taken = stage.send(*(("tricks.keep", {"args": [2], "queue": queue, "shadow": name})
                                 for name in ("adding", "tricks.mutate")))
    stage.done(hidden, taken)
    for one in (hidden, taken) if stored else ():
        status, answer = stage.retry(one)
        assert status == 202 and stage.repeated(answer) == stage.calls(one)[0], answer
    if not stored:
        status, answer = stage.retry(hidden)
        assert status == 409 and '"adding", which may be an alias' in answer["detail"], answer
        status, answer = stage.retry(taken, "?dry_run=true")  # the name of another task
        assert status == 200 and any("shadow" in one for one in answer["warnings"]), answer


def check_exchange(stage):
    """RabbitMQ does not tell where its message lies: none is taken for it."""
    with kombu.Connection(stage.url) as connection:
        for queue, key in (("tq", "a.b"), ("celery", "other")):
            kombu.Queue(queue, kombu.Exchange("tx", type="topic"), key,
                        channel=connection.default_channel).declare()
    way = {"exchange": "tx", "routing_key": "a.b"}
    first, second = stage.send(*(("tricks.keep", {"args": [n], **way}) for n in range(2)))
    other, = stage.send(("tricks.keep", {"queue": "celery"}))
    status, answer = post(stage.kanchi, f"/tasks/{first}?remove=true", method="DELETE")
    assert status == 200 and answer["removed"] is None, answer
    assert "queue is unknown" in answer["removal"], answer
    assert depth(stage, "tq") == 2 and depth(stage, "celery") == 1
    status, answer = post(stage.kanchi, f"/tasks/{first}?remove=true&queue=tq", method="DELETE")
    assert status == 200 and answer["removed"] == 1, answer
    assert depth(stage, "tq") == 1 and depth(stage, "celery") == 1
    rig.wait_for(lambda: stage.status(first) == "revoked", 30, "it is revoked")
    assert stage.status(second) == stage.status(other) == "pending"


def test_neither_a_name_nor_a_queue_is_guessed_on_rabbitmq(folder, rabbitmq_url, redis_url):
    settings = {"result_backend": redis_url, "task_send_sent_event": False}
    with Stage(folder, rabbitmq_url, "main", settings) as stage:
        check_alias(stage, "bare", stored=False)
        stage.env["RECORDER_SETTINGS"] = json.dumps({**settings, "result_extended": True})
        check_alias(stage, "extended", stored=True)
        stage.env["RECORDER_SETTINGS"] = "{}"
        check_exchange(stage)


def test_a_pickled_task_without_arguments_gets_a_tuple(folder, redis_url):
    with Stage(folder, redis_url, "main", {"accept_content": ["json", "pickle"]}) as stage:
        stage.worker()
        ident, = stage.send(("tricks.keep", {"queue": "work", "serializer": "pickle"}))
        stage.done(ident)
        status, answer = stage.retry(ident)
        assert status == 202, answer
        assert stage.calls(ident)[0][2] == "tuple"
        assert stage.repeated(answer) == stage.calls(ident)[0]


def test_pickled_arguments_are_sent_as_json_only_if_chosen(folder, redis_url):
    with Stage(folder, redis_url, "main", {"accept_content": ["json", "pickle"]}) as stage:
        stage.worker()
        ident, = stage.send(("tricks.keep", {"queue": "work", "serializer": "pickle",
                                             "args": [5, "x", {"a": [1.5]}]}))
        stage.done(ident)
        status, answer = stage.retry(ident)
        assert status == 409 and "arguments=events" in answer["detail"], answer
        status, answer = stage.retry(ident, "?arguments=events&dry_run=true")
        assert status == 200 and any("pickled" in one for one in answer["warnings"]), answer
        status, answer = stage.retry(ident, "?arguments=events")
        assert status == 202, answer
        assert stage.repeated(answer)[3] == stage.calls(ident)[0][3]


def test_a_call_of_protocol_1_is_repeated(folder, redis_url):
    """The worker's events have no arguments of it."""
    with Stage(folder, redis_url, "main", {"task_protocol": 1}) as stage:
        stage.worker()
        ident, = stage.send(("tricks.mutate", {"queue": "work", "args": [5, "x", {"a": [1.5]}]}))
        stage.done(ident)
        status, answer = stage.retry(ident, "?dry_run=true")
        assert status == 200 and any("argsrepr" in one for one in answer["warnings"]), answer
        status, answer = stage.retry(ident)
        assert status == 202 and answer["arguments_from"] == "repr", answer
        assert stage.repeated(answer)[3] == stage.calls(ident)[0][3]

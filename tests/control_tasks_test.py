"""Tasks that are sent, sent again and revoked through Kanchi: what workers and brokers see."""

import json
import os
import subprocess
import urllib.error

import kombu
import pytest
import redis
import rig
from control_retry_test import STACKS, post
from rig.celery_worker import sample_environment

SEND = """
import json, sys
from recorder.app import app
from recorder import app as module
app.conf.broker_transport_options = {"queue_order_strategy": "priority"}
ids = []
for name, options in json.loads(sys.argv[1]):
    if "link" in options:
        options["link"] = module.record.s(options["link"]).set(queue=sys.argv[2])
    ids.append(app.tasks[name].apply_async(**options).id)
print(json.dumps(ids))
"""


class Stack:
    """A broker, a worker with two processes of one queue, and a Kanchi."""

    def __init__(self, folder, broker_url, backend_url, version):
        self.folder, self.url, self.version = folder, broker_url, version
        self.file = folder / "calls"
        settings = {"result_backend": backend_url, "result_extended": True}
        self.env = {"RECORDER_SETTINGS": json.dumps(settings), "RECORDER_FILE": str(self.file)}
        self.worker = rig.CeleryWorker(folder, broker_url, version=version, queues=("work",),
                                       app="recorder.app", env=self.env)
        self.backend = redis.Redis.from_url(backend_url)
        self.kanchi = rig.Kanchi(folder / "kanchi", [broker_url],
                                 config={"control": {"reconcile": False}})

    def __enter__(self):
        self.kanchi.up()
        self.worker.wait_ready(90)
        rig.wait_for(lambda: any(one["inspected_at"] and one["queues"] for one in
                                 self.kanchi.get("/workers")["items"]), 60, "the worker is known")
        return self

    def __exit__(self, *_):
        self.worker.stop()
        self.kanchi.stop()

    def send(self, *calls):
        """(name, options of apply_async) each; their ids, once Kanchi knows them."""
        done = subprocess.run([rig.python_of(self.version), "-c", SEND, json.dumps(calls), "work"],
                              check=True, timeout=60, text=True, capture_output=True,
                              env=sample_environment(self.url, **self.env))
        idents = json.loads(done.stdout)
        rig.wait_for(lambda: set(idents) <= {one["id"] for one in
                                             self.kanchi.all_items("/tasks", limit=500)},
                     30, "Kanchi knows the tasks")
        return idents

    def calls(self):
        if not self.file.exists():
            return {}
        return dict(json.loads(line) for line in self.file.read_text().splitlines())

    def called(self):
        """Ids of what was called, as often as it was."""
        return [json.loads(line)[0] for line in self.file.read_text().splitlines()]

    def wait_called(self, ident):
        rig.wait_for(lambda: ident in self.calls(), 30, f"{ident} is called")
        return self.calls()[ident]

    def wait_status(self, ident, status):
        rig.wait_for(lambda: self.kanchi.get(f"/tasks/{ident}")["status"] == status, 30,
                     f"{ident} is {status}")


@pytest.fixture(scope="module", params=STACKS, ids=["-".join(one) for one in STACKS])
def stack(request, session_folder, redis_server, _numbers=iter(range(900, 999))):
    broker, version = request.param
    folder = session_folder / f"tasks-{broker}-{version}"
    folder.mkdir()
    backend = redis_server.url(next(_numbers))
    url = redis_server.url(next(_numbers))
    if broker == "rabbitmq":
        server = request.getfixturevalue("rabbitmq_server")
        server.add_vhost(f"tasks-{version}")
        url = server.url(f"tasks-{version}")
    with Stack(folder, url, backend, version) as stack:
        stack.on_redis = broker == "redis"
        stack.redis = redis.Redis.from_url(url) if stack.on_redis else None
        yield stack


def process_is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_task_that_runs_is_ended(stack):
    ident, = stack.send(("recorder.linger", {"args": [600], "queue": "work"}))
    pid = stack.wait_called(ident)
    status, answer = post(stack.kanchi, f"/tasks/{ident}?terminate=true&signal=KILL",
                          method="DELETE")
    assert status == 200 and [one["ok"] for one in answer["replies"]] == [True], answer
    assert answer["missing"] == []
    rig.wait_for(lambda: process_is_gone(pid), 30, "the process is gone")
    stack.wait_status(ident, "revoked")


def test_a_task_that_waits_is_taken_out_alone(stack):
    calls = [("recorder.record", {"args": [number], "queue": "parked", "priority": number % 9})
             for number in range(9)]
    idents = stack.send(*calls)
    lists = [] if not stack.on_redis else ["parked", *(f"parked\x06\x16{n}" for n in (3, 6, 9))]
    before = [value for key in lists for value in stack.redis.lrange(key, 0, -1)]
    status, answer = post(stack.kanchi, f"/tasks/{idents[4]}?dry_run=true", method="DELETE")
    assert status == 200 and answer["replies"] == [] and answer["action_id"] is None
    status, answer = post(stack.kanchi, f"/tasks/{idents[4]}", method="DELETE")
    assert status == 200 and answer["missing"] == [], answer
    if stack.on_redis:
        after = [value for key in lists for value in stack.redis.lrange(key, 0, -1)]
        assert answer["removed"] == 1
        assert after == [value for value in before if idents[4].encode() not in value]
        assert post(stack.kanchi, f"/tasks/{idents[4]}", method="DELETE")[1]["removed"] == 0
    else:
        assert answer["removed"] is None and "RabbitMQ" in answer["removal"]
        status, answer = post(stack.kanchi, f"/tasks/{idents[4]}?remove=true&dry_run=true",
                              method="DELETE")
        assert answer["removed"] is None and "would" in answer["removal"]
        status, answer = post(stack.kanchi, f"/tasks/{idents[4]}?remove=true", method="DELETE")
        assert status == 200 and answer["removed"] == 1, answer
        status, answer = post(stack.kanchi, f"/tasks/{idents[4]}?remove=true", method="DELETE")
        assert status == 200 and answer["removed"] == 0, answer
    stack.wait_status(idents[4], "revoked")  # no worker has told of it
    assert post(stack.kanchi, "/commands/add_consumer",
                {"timeout": 20, "arguments": {"queue": "parked"}})[0] == 200
    for ident in idents[:4] + idents[5:]:
        stack.wait_called(ident)
    assert idents[4] not in stack.calls()
    post(stack.kanchi, "/commands/cancel_consumer", {"arguments": {"queue": "parked"}})


def test_a_message_on_rabbitmq_is_taken_out_where_the_order_stays(stack):
    if stack.on_redis:
        return
    idents = stack.send(*(("recorder.record", {"args": [number], "queue": "aside"})
                          for number in range(150)))
    out = f"/tasks/{idents[120]}?remove=true"
    with kombu.Connection(stack.url) as connection:
        channel = connection.default_channel
        channel.basic_qos(0, 1, False)
        kombu.Queue("aside")(channel).consume(callback=lambda message: None)
        status, answer = post(stack.kanchi, out, method="DELETE")
        assert status == 200 and answer["removed"] is None and "consume" in answer["removal"]
        kombu.Queue("quorum", queue_arguments={"x-queue-type": "quorum"},
                    channel=channel).declare()
    status, answer = post(stack.kanchi, out + "&queue=quorum", method="DELETE")
    assert status == 200 and answer["removed"] is None and "classic" in answer["removal"]
    rig.wait_for(lambda: post(stack.kanchi, out, method="DELETE")[1]["removed"] == 1, 30,
                 "nobody consumes it any more")
    with rig.CeleryWorker(stack.folder, stack.url, name="aside", version=stack.version,
                          queues=("aside",), app="recorder.app", env=stack.env, concurrency=1):
        stack.wait_called(idents[-1])
    called = [one for one in stack.called() if one in set(idents)]
    assert called == idents[:120] + idents[121:]  # each once, in their order
    stack.wait_status(idents[120], "revoked")


def test_a_retry_takes_the_whole_message_along(stack):
    options = {"args": [1, "é"], "kwargs": {"k": [None]}, "queue": "asleep", "priority": 6,
               "time_limit": 300, "soft_time_limit": 200, "link": "linked"}
    ident, = stack.send(("recorder.echo", options))
    status, answer = post(stack.kanchi, f"/tasks/{ident}/retry", {"queue": "work"})
    assert status == 409 and "force" in answer["detail"]
    status, shown = post(stack.kanchi, f"/tasks/{ident}/retry?force=true&dry_run=true",
                         {"queue": "work"})
    if not stack.on_redis:
        assert status == 409 and "RabbitMQ" in shown["detail"]
        return
    assert status == 200 and shown["arguments_from"] == "message", shown
    assert shown["message"]["body"][:2] == [[1, "é"], {"k": [None]}]
    assert shown["message"]["properties"]["priority"] == 6
    assert stack.redis.llen("asleep\x06\x166") == 1
    status, answer = post(stack.kanchi, f"/tasks/{ident}/retry?force=true", {"queue": "work"})
    assert status == 202 and answer["arguments_from"] == "message", answer
    args, kwargs, root, limits = stack.wait_called(answer["id"])
    assert [args, kwargs, root, limits] == [[1, "é"], {"k": [None]}, ident, [300, 200]]
    rig.wait_for(lambda: any("linked".encode().hex() in str(call)
                             for call in stack.calls().values()), 30, "the callback is called")
    assert stack.kanchi.get(f"/tasks/{ident}")["retried_as"] == [answer["id"]]
    stack.wait_status(answer["id"], "success")
    assert stack.kanchi.get(f"/tasks/{answer['id']}")["retry_of"] == ident


def test_a_copy_may_have_what_only_python_reads(stack):
    if not stack.on_redis:
        return  # there a message is not looked at
    text = "half \ud800"
    ident, = stack.send(("recorder.record", {"args": [text], "queue": "odd"}))
    status, answer = post(stack.kanchi, f"/tasks/{ident}/retry?force=true", {"queue": "work"})
    assert status == 202 and answer["arguments_from"] == "message", answer
    assert text.encode("utf-8", "surrogatepass").hex() in stack.wait_called(answer["id"])


def test_arguments_may_be_replaced(stack):
    ident, = stack.send(("recorder.echo", {"args": [1], "kwargs": {"k": 2}, "queue": "work"}))
    stack.wait_called(ident)
    stack.wait_status(ident, "success")
    status, answer = post(stack.kanchi, f"/tasks/{ident}/retry", {"kwargs": {"k": 3}})
    assert status == 202 and answer["arguments_from"] == "backend", answer
    assert answer["queue"] == "work"
    assert stack.wait_called(answer["id"])[:2] == [[1], {"k": 3}]
    status, answer = post(stack.kanchi, f"/tasks/{ident}/retry", {"args": [4], "kwargs": {}})
    assert status == 202 and answer["arguments_from"] == "request", answer
    assert stack.wait_called(answer["id"])[:2] == [[4], {}]


def test_any_registered_task_can_be_sent(stack):
    body = {"name": "recorder.echo", "args": [{"a": [1.5]}], "kwargs": {"é": "€"},
            "time_limit": 50.5, "priority": 3}
    status, answer = post(stack.kanchi, "/tasks", body)
    assert status == 202 and answer["queue"] == "work" and answer["warnings"] == [], answer
    assert stack.wait_called(answer["id"]) == [[{"a": [1.5]}], {"é": "€"}, answer["id"],
                                               [50.5, None]]
    status, answer = post(stack.kanchi, "/tasks", {**body, "name": "no.such.task"})
    assert status == 409 and "unregistered" in answer["detail"]
    status, answer = post(stack.kanchi, "/tasks", {**body, "queue": "nowhere-at-all"})
    if stack.on_redis:
        assert status == 202 and "no online worker" in answer["warnings"][0]
        assert stack.redis.llen("nowhere-at-all\x06\x163") == 1
    else:
        assert status == 409 and "unknown queue" in answer["detail"]
    audit = stack.kanchi.get("/audit", action="apply")["items"]
    assert [one["outcome"] for one in audit[:3]] == ["done" if stack.on_redis else "refused",
                                                     "refused", "done"]


def test_the_whole_result_is_read(stack):
    ident, = stack.send(("recorder.echo", {"args": [7], "queue": "work"}))
    stack.wait_status(ident, "success")
    result = stack.kanchi.get(f"/tasks/{ident}/result")
    assert result["state"] == "SUCCESS" and result["worker"] == stack.worker.hostname
    assert result["result"] == {"args": [7], "long": "x" * 5000}
    assert result["args"] == [7] and result["bytes"] > 5000
    stack.backend.delete(f"celery-task-meta-{ident}")
    status, answer = post(stack.kanchi, f"/tasks/{ident}/result", method="POST")
    assert status == 405
    with pytest.raises(urllib.error.HTTPError, match="404"):
        stack.kanchi.get(f"/tasks/{ident}/result")


def test_stamped_tasks_are_revoked(stack):
    body = {"headers": {"batch": ["seven"]}}
    status, answer = post(stack.kanchi, "/revoke-by-headers", body)
    if stack.version == "celery52":
        assert status == 200 and not any(one["ok"] for one in answer["replies"]), answer
        return
    assert status == 200 and [one["ok"] for one in answer["replies"]] == [True], answer
    stamped = {"queue": "work", "stamped_headers": ["batch"]}
    gone, here = stack.send(("recorder.record", {"args": [1], "batch": "seven", **stamped}),
                            ("recorder.record", {"args": [2], "batch": "eight", **stamped}))
    stack.wait_called(here)
    stack.wait_status(gone, "revoked")
    assert gone not in stack.calls()

"""RabbitMQ as it is when something is the matter with it: alarms, rights, queues of other kinds."""

import contextlib
import datetime
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import kombu
import rig
from control_jobs_test import Stand
from doctor_test import doctor
from rig.celery_worker import sample_environment

SERVICES = ("storage", "ingestion", "control", "gateway")
FAST = {"control": {"interval": "5s", "reply_timeout": "2s"},
        "ingestion": {"queue_interval": "1s"}}


@contextlib.contextmanager
def stopping(stand):
    try:
        yield stand
    finally:
        stand.stop()


def act(kanchi, method, path, body=None, **query):
    """Status and answer."""
    url = kanchi.url + "/api/v1" + path + "?" + urllib.parse.urlencode(query)
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def start(kanchi):
    for service in SERVICES:
        kanchi.start(service)
    rig.wait_for(lambda: kanchi.is_ready() and
                 kanchi.get("/system")["ingestion"]["default"]["state"] == "connected",
                 what="events from the broker")


def count(url, queue):
    with kombu.Connection(url) as connection:
        return connection.default_channel.queue_declare(queue, passive=True).message_count


def findings(kanchi):
    return {finding["code"]: finding["text"] for finding in kanchi.get("/system")["findings"]}


def test_an_alarm_is_a_finding_and_nothing_is_sent_in_it(folder):
    call = {"name": "x.y", "queue": "mail", "unregistered": True}
    with rig.RabbitMQ(folder / "rabbitmq") as server, \
            stopping(Stand(folder, server.url())) as stand:
        kanchi = stand.kanchi
        with kombu.Connection(server.url()) as connection:
            for queue in ("mail", "other"):
                connection.default_channel.queue_declare(queue, durable=True, auto_delete=False)
        failed = stand.fail(4)
        later = stand.send(3, countdown=3600)
        stand.wait_statuses(failure=4, received=3)
        assert act(kanchi, "POST", "/tasks", call)[0] == 202
        server.ctl("set_vm_memory_high_watermark", "0.0001")
        for path, body in (("/tasks", call), (f"/tasks/{failed[0]}/retry", {})):
            status, answer = act(kanchi, "POST", path, body)
            assert status == 503 and "memory alarm" in answer["detail"] \
                and "nothing was sent" in answer["detail"], (status, answer)
            assert kanchi.get("/audit")["items"][0]["outcome"] == "refused"
        assert kanchi.get(f"/tasks/{failed[0]}")["retried_as"] == []
        status, answer = act(kanchi, "GET", "/inspect/ping")
        assert status == 503 and "memory alarm" in answer["detail"], (status, answer)
        status, answer = act(kanchi, "POST", "/queues/mail/move", {"to": "other"})
        assert status == 503 and "nothing was moved" in answer["detail"] \
            and "memory alarm" in answer["detail"], (status, answer)
        for method, path in (("POST", "/queues/default/pause"), ("DELETE", f"/tasks/{later[0]}")):
            status, answer = act(kanchi, method, path, {})
            assert status == 503 and "memory alarm" in answer["detail"] \
                and "nothing was sent" in answer["detail"], (status, answer)
        assert not [one for one in kanchi.get("/queues")["items"] if one["paused"]]
        jobs = [stand.make(action="retry", ids=failed[1:]), stand.make(action="revoke", ids=later)]
        rig.wait_for(lambda: "memory alarm" in findings(kanchi).get("publishers_blocked", ""),
                     what="the finding")
        told = {one["code"]: one for one in kanchi.get("/system/doctor")["findings"]}
        assert "memory alarm" in told["publishers_blocked"]["text"], told
        assert "no_worker_answered" not in told, told
        done = doctor("--broker", server.url())
        assert done.returncode == 1 and "RabbitMQ blocks publishers: memory alarm" in done.stdout \
            and "vm_memory_high_watermark" in done.stdout and "a worker runs" not in done.stdout, \
            done.stdout
        for job in jobs:  # they go on after the alarm
            assert kanchi.get(f"/jobs/{job}")["state"] == "running", kanchi.get(f"/jobs/{job}")
        assert stand.calls() == {str(i): 1 for i in range(4)}
        server.ctl("set_vm_memory_high_watermark", "0.9")
        rig.wait_for(lambda: "publishers_blocked" not in findings(kanchi), what="no finding")
        for job in jobs:
            stand.wait_job(job)
            assert {one["state"] for one in stand.items(job)} == {"done"}, stand.items(job)
        assert act(kanchi, "POST", "/tasks", call)[0] == 202
        assert act(kanchi, "POST", f"/tasks/{failed[0]}/retry", {})[0] == 202
        rig.wait_for(lambda: count(server.url(), "mail") == 2, what="both messages")
        assert count(server.url(), "other") == 0
        stand.wait_statuses(failure=4, success=4)
        assert stand.calls() == {str(i): 2 for i in range(4)}


def test_what_a_queue_cannot_do_is_refused(folder, rabbitmq_url):
    with kombu.Connection(rabbitmq_url) as connection, \
            rig.Kanchi(folder / "kanchi", [rabbitmq_url], config=FAST) as kanchi:
        channel = connection.default_channel
        for kind, limit in (("classic", {}), ("quorum", {"x-delivery-limit": 1}), ("stream", {})):
            channel.queue_declare(kind, durable=True, auto_delete=False,
                                  arguments={"x-queue-type": kind, **limit})
            for _ in range(3):
                channel.basic_publish(channel.prepare_message(b"0"), routing_key=kind)
        channel.queue_declare("full", durable=True, auto_delete=False,
                              arguments={"x-overflow": "reject-publish", "x-max-length": 1})
        channel.basic_publish(channel.prepare_message(b"0"), routing_key="full")
        start(kanchi)
        rig.wait_for(lambda: count(rabbitmq_url, "classic") == 3, what="the messages")
        for kind in ("quorum", "stream") * 3:  # more often than the delivery limit allows
            status, answer = act(kanchi, "GET", f"/queues/{kind}/messages", requeue="true")
            assert status == 409 and "quorum queue or a stream" in answer["detail"], answer
            status, answer = act(kanchi, "POST", f"/queues/{kind}/move",
                                 {"to": "classic", "ids": ["x"]})
            assert status == 409, answer
        assert act(kanchi, "POST", "/queues/stream/move", {"to": "classic"})[0] == 409
        status, answer = act(kanchi, "DELETE", "/queues/stream/messages", expected=3)
        assert status == 409 and "stream" in answer["detail"], answer
        for kind in ("classic", "quorum") * 3:
            status, answer = act(kanchi, "POST", f"/queues/{kind}/move", {"to": "full"})
            assert status == 409 and "nothing was moved" in answer["detail"], answer
            assert count(rabbitmq_url, kind) == 3, kind
        assert kanchi.get("/audit")["items"][0]["outcome"] == "refused"
        status, answer = act(kanchi, "POST", "/queues/nowhere/pause")
        assert status == 404 and "nowhere" in answer["detail"], answer
        assert not [queue for queue in kanchi.get("/queues")["items"] if queue["paused"]]
        assert act(kanchi, "POST", "/queues/quorum/move", {"to": "classic"})[0] == 200
        rig.wait_for(lambda: count(rabbitmq_url, "classic") == 6, what="all of the quorum queue")


MINIMUM = ("^kanchi[.-].*", "^(kanchi[.-].*|celery\\.pidbox)$",
           "^(celeryev|kanchi[.-].*|reply\\.celery\\.pidbox)$")


def test_the_rights_in_the_documents_are_enough_and_a_missing_one_is_named(folder):
    with rig.RabbitMQ(folder / "rabbitmq") as server:
        server.ctl("add_user", "watcher", "secret")
        server.ctl("set_permissions", "watcher", *MINIMUM)
        limited = server.url().replace("guest:guest", "watcher:secret")
        with rig.CeleryWorker(folder, server.url()) as worker, \
                rig.Kanchi(folder / "kanchi", [limited], config=FAST) as kanchi:
            start(kanchi)
            rig.wait_for(lambda: [one for one in kanchi.get("/workers")["items"]
                                  if one["status"] == "online"], what="the worker")
            queue = rig.wait_for(lambda: kanchi.get("/workers")["items"][0]["queues"][0],
                                 what="its queues")
            call = {"name": "x.y", "queue": queue, "unregistered": True}
            assert [one["ok"] for one in act(kanchi, "GET", "/inspect/ping")[1]["replies"]] == [True]
            for verb in ("pause", "resume"):
                status, answer = act(kanchi, "POST", f"/queues/{queue}/{verb}")
                assert status == 200 and answer["complete"] is True, answer
            assert findings(kanchi).get("access_refused") is None
            status, answer = act(kanchi, "POST", "/tasks", call)
            assert status == 409 and "ACCESS_REFUSED" in answer["detail"] \
                and "nothing was sent" in answer["detail"], (status, answer)
            server.ctl("set_permissions", "watcher", MINIMUM[0],
                       "^(kanchi[.-].*|celery\\.pidbox|amq\\.default)$", MINIMUM[2])
            # RabbitMQ caches rights for each channel
            status, answer = rig.wait_for(
                lambda: (lambda done: done if done[0] == 202 else None)(
                    act(kanchi, "POST", "/tasks", call)), what="a task that is sent")
            server.ctl("set_permissions", "watcher", MINIMUM[0], "^kanchi[.-].*", MINIMUM[2])
            rig.wait_for(lambda: "'celery.pidbox'" in (text := findings(kanchi)["access_refused"])
                         and "(right: write)" in text, what="the missing right to write")
            status, answer = act(kanchi, "GET", "/inspect/ping")
            assert status == 409 and "(right: write)" in answer["detail"] \
                and "nothing was sent" in answer["detail"], (status, answer)
            server.ctl("set_permissions", "watcher", *MINIMUM)
            rig.wait_for(lambda: "access_refused" not in findings(kanchi), what="no finding")
            assert worker
        server.ctl("set_permissions", "watcher", "^$", "^$", "^celeryev$")
        with rig.Kanchi(folder / "reader", [limited], config=FAST) as kanchi:
            for service in SERVICES:
                kanchi.start(service)
            rig.wait_for(kanchi.is_ready, what="a gateway that is ready")
            text = rig.wait_for(lambda: findings(kanchi).get("access_refused"), what="the finding")
            assert "ACCESS_REFUSED" in text and "configure" in text, text


SEND_LATER = """
from delayed_app import noop
for seconds in (2, 600):
    print(noop.apply_async(countdown=seconds).id)
"""


REVOKE_FIRST = """
from delayed_app import app, noop
app.control.revoke("revoked", reply=True, limit=1, timeout=30)
noop.apply_async(task_id="revoked")
"""


def measured_at(kanchi, queue):
    times = [datetime.datetime.fromisoformat(one["measured_at"])
             for one in kanchi.get("/queues")["items"] if one["name"] == queue]
    return times[0]


def check_revoked(kanchi, env):
    """A message of another task waits in delayed delivery: the revoked one can be sent again."""
    first = measured_at(kanchi, "celery_delayed_9")
    rig.wait_for(lambda: (measured_at(kanchi, "celery_delayed_9") - first).total_seconds() > 3,
                 30, "it was measured before the task is sent")
    subprocess.run([rig.python_of(), "-c", REVOKE_FIRST], check=True, timeout=60, env=env)
    rig.wait_for(lambda: any(one["id"] == "revoked" and one["status"] == "revoked"
                             for one in kanchi.get("/tasks")["items"]), 60, "it is revoked")
    status, answer = act(kanchi, "POST", "/tasks/revoked/retry")
    assert status == 202, answer


def test_a_task_in_native_delayed_delivery_is_pending_with_its_eta(folder, rabbitmq_url):
    broker = {"name": "default", "url": rabbitmq_url,
              "queues": [f"celery_delayed_{level}" for level in range(28)]}
    config = {"control": {**FAST["control"], "reconcile_after": "1s"},
              "ingestion": FAST["ingestion"], "brokers": [broker]}
    with rig.Kanchi(folder / "kanchi", config=config) as kanchi, \
            rig.CeleryWorker(folder, rabbitmq_url, app="delayed_app", queues=("slow",)) as worker:
        start(kanchi)
        began = datetime.datetime.now(datetime.UTC)
        done = subprocess.run([rig.python_of(), "-c", SEND_LATER], check=True, timeout=60, text=True,
                              env=sample_environment(rabbitmq_url), capture_output=True)
        soon, late = done.stdout.split()
        rig.wait_for(lambda: kanchi.get(f"/tasks/{soon}")["status"] == "success",
                     60, "the task of 2 seconds has run")
        # 600 is 1001011000 in binary
        rig.wait_for(lambda: {one["name"]: one["depth"] for one in kanchi.get("/queues")["items"]
                              if one["depth"]} == {"celery_delayed_9": 1}, what="its depth")
        for _ in range(2):  # what control learns meanwhile does not change it
            told = kanchi.get("/system/doctor")
            assert told["workers"] == [worker.hostname], told
            assert "queue_without_consumer" not in {one["code"] for one in told["findings"]}, told
        task = kanchi.get(f"/tasks/{late}")
        wait = datetime.datetime.fromisoformat(task["eta"]) - began
        assert task["status"] == "pending" and 595 < wait.total_seconds() < 660, task
        assert task["exchange"] == "celery_delayed_27"
        # a retry does not wait again
        status, answer = act(kanchi, "POST", f"/tasks/{soon}/retry")
        assert status == 202 and answer["exchange"] == "celery_delayed_delivery", answer
        rig.wait_for(lambda: kanchi.get(f"/tasks/{answer['id']}")["status"] == "success",
                     60, "the retry has run")
        check_revoked(kanchi, sample_environment(rabbitmq_url))

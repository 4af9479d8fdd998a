"""RabbitMQ as it is when something is the matter with it: alarms, rights, queues of other kinds."""

import json
import urllib.error
import urllib.parse
import urllib.request

import kombu
import rig

SERVICES = ("storage", "ingestion", "control", "gateway")
FAST = {"control": {"interval": "5s", "reply_timeout": "2s"},
        "ingestion": {"queue_interval": "1s"}}


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
            rig.Kanchi(folder / "kanchi", [server.url()], config=FAST) as kanchi:
        with kombu.Connection(server.url()) as connection:
            connection.default_channel.queue_declare("mail", durable=True, auto_delete=False)
        start(kanchi)
        assert act(kanchi, "POST", "/tasks", call)[0] == 202
        server.ctl("set_vm_memory_high_watermark", "0.0001")
        status, answer = act(kanchi, "POST", "/tasks", call)
        assert status == 503 and "memory alarm" in answer["detail"] \
            and "nothing was sent" in answer["detail"], (status, answer)
        assert kanchi.get("/audit")["items"][0]["outcome"] == "refused"
        status, answer = act(kanchi, "GET", "/inspect/ping")
        assert status == 503 and "memory alarm" in answer["detail"], (status, answer)
        rig.wait_for(lambda: "memory alarm" in findings(kanchi).get("publishers_blocked", ""),
                     what="the finding")
        server.ctl("set_vm_memory_high_watermark", "0.9")
        rig.wait_for(lambda: "publishers_blocked" not in findings(kanchi), what="no finding")
        assert act(kanchi, "POST", "/tasks", call)[0] == 202
        rig.wait_for(lambda: count(server.url(), "mail") == 2, what="both messages")


def test_what_a_queue_cannot_do_is_refused(folder, rabbitmq_url):
    with kombu.Connection(rabbitmq_url) as connection, \
            rig.Kanchi(folder / "kanchi", [rabbitmq_url], config=FAST) as kanchi:
        channel = connection.default_channel
        for kind in ("classic", "quorum", "stream"):
            channel.queue_declare(kind, durable=True, auto_delete=False,
                                  arguments={"x-queue-type": kind})
            for _ in range(3):
                channel.basic_publish(channel.prepare_message(b"0"), routing_key=kind)
        channel.queue_declare("full", durable=True, auto_delete=False,
                              arguments={"x-overflow": "reject-publish", "x-max-length": 1})
        channel.basic_publish(channel.prepare_message(b"0"), routing_key="full")
        start(kanchi)
        rig.wait_for(lambda: count(rabbitmq_url, "classic") == 3, what="the messages")
        for kind in ("quorum", "stream"):
            status, answer = act(kanchi, "GET", f"/queues/{kind}/messages", requeue="true")
            assert status == 409 and "quorum queue or a stream" in answer["detail"], answer
            status, answer = act(kanchi, "POST", f"/queues/{kind}/move",
                                 {"to": "classic", "ids": ["x"]})
            assert status == 409, answer
        assert act(kanchi, "POST", "/queues/stream/move", {"to": "classic"})[0] == 409
        status, answer = act(kanchi, "DELETE", "/queues/stream/messages", expected=3)
        assert status == 409 and "stream" in answer["detail"], answer
        status, answer = act(kanchi, "POST", "/queues/classic/move", {"to": "full"})
        assert status == 409 and "nothing was moved" in answer["detail"], answer
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
            assert worker
        server.ctl("set_permissions", "watcher", "^$", "^$", "^celeryev$")
        with rig.Kanchi(folder / "reader", [limited], config=FAST) as kanchi:
            for service in SERVICES:
                kanchi.start(service)
            rig.wait_for(kanchi.is_ready, what="a gateway that is ready")
            text = rig.wait_for(lambda: findings(kanchi).get("access_refused"), what="the finding")
            assert "ACCESS_REFUSED" in text and "configure" in text, text

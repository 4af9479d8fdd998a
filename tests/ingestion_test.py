"""Ingestion as a process, between real brokers with real workers and the real storage."""

import base64
import json
import subprocess

import pytest
import rig
from rig.celery_worker import sample_environment

SERVICES = ("storage", "ingestion", "gateway")
PACE = {"env": {"SAMPLE_PACE": "0"}}


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request):
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def kanchi(folder, broker_url):
    with rig.Kanchi(folder / "kanchi", [broker_url]) as kanchi:
        for service in SERVICES:
            kanchi.start(service)
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        rig.wait_for(lambda: source_of(kanchi).get("state") == "connected", timeout=30,
                     what="a connection to the broker")
        yield kanchi


def source_of(kanchi):
    return kanchi.get("/system")["ingestion"].get("default", {})


def python(broker_url, code):
    subprocess.run([rig.python_of(), "-c", "import sys; from sample_app.app import app\n" + code],
                   check=True, timeout=60, env=sample_environment(broker_url))


def send(broker_url, count):
    python(broker_url, f"for i in range({count}): app.send_task('shop.order.price', args=[i])")


def tasks_of(kanchi, status="success"):
    return list(kanchi.all_items("/tasks", status=status, limit=200))


def wait_for_tasks(kanchi, count):
    rig.wait_for(lambda: len(tasks_of(kanchi)) == count, timeout=60, what=f"{count} tasks")


def publish_raw(broker_url, bodies):
    """Messages as they are: envelopes on Redis, bodies on RabbitMQ."""
    python(broker_url, f"""
bodies = {bodies!r}
with app.connection_for_write() as connection:
    if connection.transport.driver_type == 'redis':
        channel = connection.default_channel
        for body in bodies:
            channel.client.publish('/%s.celeryev/task.sent' % channel._connparams()['db'], body)
    else:
        producer = connection.Producer()
        for body in bodies:
            producer.publish(body, exchange='celeryev', routing_key='task.sent',
                             content_type='application/json', content_encoding='utf-8')
""")


def test_every_event_of_real_tasks_is_stored_once(kanchi, folder, broker_url):
    with rig.CeleryWorker(folder, broker_url, **PACE) as worker:
        worker.wait_ready()
        send(broker_url, 100)
        wait_for_tasks(kanchi, 100)
        one = tasks_of(kanchi)[0]
        types = [event["type"] for event in kanchi.get(f"/tasks/{one['id']}/events")["items"]]
        assert sorted(set(types)) == sorted(types)
        assert {"task-received", "task-started", "task-succeeded"} <= set(types)
        rig.wait_for(lambda: source_of(kanchi)["backlog_events"] == 0, what="an empty backlog")
        found = source_of(kanchi)
        assert (found["events_invalid"], found["events_lost"], found["gaps"]) == (0, 0, [])


def test_what_happens_while_ingestion_is_dead_waits_on_rabbitmq(folder, rabbitmq_url):
    with rig.Kanchi(folder / "kanchi", [rabbitmq_url]) as kanchi, \
            rig.CeleryWorker(folder, rabbitmq_url, **PACE) as worker:
        for service in SERVICES:
            kanchi.start(service)
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        worker.wait_ready()
        send(rabbitmq_url, 20)
        wait_for_tasks(kanchi, 20)
        for round_ in range(1, 4):
            kanchi.processes["ingestion"].kill()
            send(rabbitmq_url, 50)
            kanchi.start("ingestion")
            wait_for_tasks(kanchi, 20 + 50 * round_)


def start_ingestion(kanchi, name, *options):
    kanchi.start("ingestion", *options, name=name)
    rig.wait_for(lambda: "broker.connected" in kanchi.processes[name].log(), timeout=30,
                 what=f"the connection of {name}")


def check_no_event_twice(kanchi):
    """Control may have found the task waiting, too, and noted that beside its events."""
    for task in tasks_of(kanchi):
        types = [e["type"] for e in kanchi.get(f"/tasks/{task['id']}/events")["items"]
                 if e["origin"] == "events"]
        assert len(types) == len(set(types))


def test_two_ingestions_store_each_event_once(kanchi, folder, broker_url):
    start_ingestion(kanchi, "ingestion-2", "--ingestion.instance", "second")
    with rig.CeleryWorker(folder, broker_url, **PACE) as worker:
        worker.wait_ready()
        send(broker_url, 50)
        wait_for_tasks(kanchi, 50)
        check_no_event_twice(kanchi)


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_several_share_a_data_folder_and_each_has_a_number(folder, request, kind):
    url = request.getfixturevalue(f"{kind}_url")
    with rig.Kanchi(folder / "kanchi", [url], config={"ingestion": {"instance": "auto"}}) as kanchi:
        spool = folder / "kanchi" / "data" / "spool"
        for name in ("ingestion", "second", "third"):
            start_ingestion(kanchi, name)
        assert {one.name for one in spool.iterdir()} == {"default", "default@2", "default@3"}
        kanchi.processes["second"].kill()
        start_ingestion(kanchi, "fourth")
        assert len(list(spool.iterdir())) == 3
        for service in ("storage", "aggregation", "control", "gateway"):
            kanchi.start(service)
        with rig.CeleryWorker(folder, url, **PACE) as worker:
            worker.wait_ready()
            send(url, 50)
            wait_for_tasks(kanchi, 50)
        check_no_event_twice(kanchi)
        if kind == "rabbitmq":
            queues = [one["name"] for one in kanchi.get("/queues")["items"]]
            assert not [name for name in queues if name.startswith("kanchi.")]


def garbage(broker_url):
    """Bodies that are no events, with the cause that is to be told."""
    event = {"type": "task-sent", "uuid": "u", "hostname": "h", "timestamp": 1700000000.0}
    bodies = [b"\xff\xfe", b"garbage", b"[" * 1000 + b"]" * 1000, json.dumps({}).encode(),
              json.dumps({k: v for k, v in event.items() if k != "uuid"}).encode(),
              json.dumps(dict(event, timestamp=253402300000.0)).encode()]
    if not broker_url.startswith("redis"):
        return bodies
    return [b"garbage", b"[1, 2"] + [json.dumps({
        "body": base64.b64encode(body).decode(), "content-type": "application/json",
        "content-encoding": "utf-8", "headers": {},
        "properties": {"body_encoding": "base64", "delivery_tag": "x"}}).encode()
        for body in bodies]


def test_garbage_is_counted_with_its_cause_and_the_next_event_is_stored(kanchi, folder, broker_url):
    bodies = garbage(broker_url)
    publish_raw(broker_url, bodies)
    rig.wait_for(lambda: source_of(kanchi)["events_invalid"] == len(bodies),
                 what=f"{len(bodies)} invalid events")
    log = kanchi.processes["ingestion"].log()
    for cause in ("too_deep", "no_type", "no_uuid", "timestamp"):
        assert f"cause={cause}" in log
    with rig.CeleryWorker(folder, broker_url, **PACE) as worker:
        worker.wait_ready()
        send(broker_url, 3)
        wait_for_tasks(kanchi, 3)


def test_events_in_a_serializer_that_is_not_read_are_told_with_what_mends_it(kanchi, broker_url):
    python(broker_url, """
app.conf.event_serializer = "pickle"
with app.events.default_dispatcher() as dispatcher:
    for i in range(3):
        dispatcher.send("worker-online")
""")

    def unreadable():
        return next((one for one in kanchi.get("/system")["findings"]
                     if one["code"] == "events_unreadable" and one["text"].startswith("3 ")), None)
    said = rig.wait_for(unreadable, timeout=30, what="the finding")
    assert said["source"] == "default" and said["severity"] == "warning"
    assert "application/x-python-serialize" in said["text"]
    assert 'event_serializer = "json"' in said["remedy"]


@pytest.mark.parametrize("url, part", [
    ("redis://:hidden/x@h/0", "port"),
    ("redis://h/x", "database"),
    ("sentinel://h", "sentinel_master"),
    ("sqs://h", "redis://"),
])
def test_a_wrong_url_is_one_sentence_without_the_password(folder, url, part):
    kanchi = rig.Kanchi(folder, [url])
    process = kanchi.start("ingestion")
    rig.wait_for(lambda: not process.running, timeout=5, what="the end")
    assert process.exit_code == 2
    lines = process.log().strip().splitlines()
    assert len(lines) == 1 and part in lines[0] and "hidden" not in lines[0]

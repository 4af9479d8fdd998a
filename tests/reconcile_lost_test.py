"""When a task that nobody runs is lost, and when it is only not known how it ended.

Tasks of which only the first events came are made by sending these in a worker's name.
"""

import json
import subprocess
import time
import uuid

import pytest
import redis
import rig
from reconcile_test import (finding, send, start, states_of, tasks_of,  # noqa: F401
                            wait_asked)
from rig.celery_worker import sample_environment

GHOSTS = """
import json, sys
from celery.events import EventDispatcher
from sample_app.app import app
with app.connection_for_write() as connection:
    with EventDispatcher(connection, hostname=sys.argv[1], enabled=True) as dispatcher:
        for one in json.loads(sys.argv[2]):
            dispatcher.send("task-received", uuid=one, name="shop.order.price", args="(1,)",
                            kwargs="{}", retries=0)
            dispatcher.send("task-started", uuid=one)
"""


def ghosts(broker_url, worker, count, before=lambda idents: None):
    """Tasks that seem to have been started by this worker, which has never heard of them."""
    idents = [str(uuid.uuid4()) for _ in range(count)]
    before(idents)
    subprocess.run([rig.python_of(), "-c", GHOSTS, worker, json.dumps(idents)], check=True,
                   timeout=60, env=sample_environment(broker_url))
    return idents


def store_results(backend_url, idents, status="SUCCESS", prefix=""):
    client = redis.Redis.from_url(backend_url)
    for one in idents:
        client.set(f"{prefix}celery-task-meta-{one}", json.dumps(
            {"status": status, "result": 7, "traceback": None, "children": [], "task_id": one,
             "date_done": "2026-11-23T10:00:00.123456+00:00"}))


def status_of(kanchi, ident):
    return tasks_of(kanchi).get(ident, {}).get("status")


def wait_for_status(kanchi, ident, status):
    rig.wait_for(lambda: status_of(kanchi, ident) == status, 40, f"the status {status}")


@pytest.mark.parametrize("socket", [False, True])
def test_a_backend_whose_database_is_not_told_is_no_answer(folder, start, socket):  # noqa: F811
    with rig.Redis(folder / "redis", unix=True) as server:
        told = server.socket_url(3) if socket else server.url(0) + "?db=3"
        kanchi = start(server.url(0))
        with rig.CeleryWorker(folder, server.url(0), backend_url=told) as worker:
            done = send(server.url(0), told, 1, "shop.order.price")[0]
            wait_for_status(kanchi, done, "success")
            lost = ghosts(server.url(0), worker.hostname, 2,
                          lambda idents: store_results(server.url(3), idents))
            said = rig.wait_for(lambda: finding(kanchi, "result_backend_empty"), 30, "a finding")
            assert "database" in said["remedy"] and "result_backend" in said["remedy"]
            rig.wait_for(lambda: finding(kanchi, "result_backend_empty")["severity"] == "warning",
                         40, "that tasks stay unfinished for it")
            assert {status_of(kanchi, one) for one in lost} == {"started"}
            kanchi.sections["brokers"][0]["result_backend"] = told
            kanchi.write_config()
            kanchi.processes["control"].stop()
            kanchi.start("control")
            for one in lost:
                wait_for_status(kanchi, one, "success")


@pytest.mark.parametrize("said, stored", [("shop", "shop_"), ("shop", ""), ("shop:", "shop:")])
def test_a_prefix_is_taken_as_celery_completes_it(folder, start, redis_url, said,  # noqa: F811
                                                  stored):
    kanchi = start(redis_url, brokers={"result_backend": redis_url, "result_key_prefix": said})
    with rig.CeleryWorker(folder, redis_url, events=False) as worker:
        lost = ghosts(redis_url, worker.hostname, 2,
                      lambda idents: store_results(redis_url, idents, prefix=stored))
        rig.wait_for(lambda: kanchi.ask("GET", f"/tasks/{lost[0]}/result")[1].get("result") == 7,
                     20, "the result")
        for one in lost[1:]:
            wait_for_status(kanchi, one, "success")


def test_a_state_of_the_application_is_no_sign_of_loss(folder, start, redis_url):  # noqa: F811
    """It may have ended with Ignore(), of which nobody is told."""
    kanchi = start(redis_url)
    with rig.CeleryWorker(folder, redis_url, backend_url=redis_url) as worker:
        done = send(redis_url, redis_url, 1, "shop.order.price")[0]
        wait_for_status(kanchi, done, "success")
        def store(idents):
            store_results(redis_url, idents[:1], status="PROGRESS")
            store_results(redis_url, idents[1:], status="STARTED")

        own, begun = ghosts(redis_url, worker.hostname, 2, store)
        wait_for_status(kanchi, begun, "orphaned")
        wait_asked(kanchi, 3)
        assert status_of(kanchi, own) == "started"


WORKFLOWS = """
import json
from celery import chord, group
from recorder import tricks
options = {"queue": "work"}
left = tricks.leave.apply_async(**options)
parts = [tricks.keep.si(1).set(**options), tricks.fail.si().set(**options)]
body = tricks.keep.s().set(**options)
body_id = body.freeze().id
members = group(parts).apply_async(**options)
whole = chord(parts)(body)
print(json.dumps([left.id, body_id, [one.id for one in members.children + whole.parent.children]]))
"""


@pytest.mark.parametrize("read", [True, False])
def test_what_ends_without_an_event_is_unknown_and_not_lost(folder, start, redis_url,  # noqa: F811
                                                            read):
    """Ignore after a state of its own, the body of a failed chord, members of a group; with a
    backend that is read, and with one that is not."""
    (folder / "results").mkdir()
    backend = redis_url if read else f"file://{folder / 'results'}"
    kanchi = start(redis_url)
    env = {"RECORDER_FILE": str(folder / "calls"),
           "RECORDER_SETTINGS": json.dumps({"result_backend": backend})}
    with rig.CeleryWorker(folder, redis_url, app="recorder.tricks", queues=("work",), env=env):
        code = WORKFLOWS if read else WORKFLOWS.replace("chord(parts)(body)", "None").replace(
            " + whole.parent.children", "")  # Celery makes no chords with files
        done = subprocess.run([rig.python_of(), "-c", code], check=True, timeout=60, text=True,
                              capture_output=True, env=sample_environment(redis_url, **env))
        left, body, members = json.loads(done.stdout)
        for number, ident in enumerate(members):
            wait_for_status(kanchi, ident, "failure" if number % 2 else "success")
        begun = ghosts(redis_url, "worker@kanchi-test", 1)[0]
        if read:
            wait_for_status(kanchi, begun, "orphaned")  # so it would have been lost by now
            assert states_of(redis_url, [left, body]) == {left: "PROGRESS", body: "FAILURE"}
        wait_asked(kanchi, 3)
        tasks = tasks_of(kanchi)
        assert tasks[left]["status"] == "started" and tasks[left]["completed_at"] is None
        assert {one["status"] for ident, one in tasks.items() if ident != begun} == {
            "started", "success", "failure"}
        assert body not in tasks or tasks[body]["status"] == "failure"
        if not read:
            assert tasks[begun]["status"] == "started"
            rig.wait_for(lambda: finding(kanchi, "result_backend_unsupported"), 20, "the finding")


@pytest.mark.parametrize("mutual", [False, True])
def test_a_backend_on_the_brokers_host_is_trusted_as_the_broker_is(folder, start,  # noqa: F811
                                                                   mutual):
    with rig.Redis(folder / "redis", tls=True, mutual=mutual) as server:
        certs = server.ca.parent
        own = {"tls_cert": str(certs / "server.crt"), "tls_key": str(certs / "server.key")}
        query = f"?ssl_cert_reqs=required&ssl_ca_certs={server.ca}"
        if mutual:
            query += f"&ssl_certfile={own['tls_cert']}&ssl_keyfile={own['tls_key']}"
        kanchi = start(server.url(0), brokers={"tls_ca": str(server.ca), **(own if mutual else {})})
        with rig.CeleryWorker(folder, server.url(0) + query,
                              backend_url=server.url(1) + query) as worker:
            done = send(server.url(0) + query, server.url(1) + query, 1, "shop.order.price")[0]
            wait_for_status(kanchi, done, "success")
            answer = rig.wait_for(lambda: kanchi.get(f"/tasks/{done}/result"), 20, "its result")
            assert answer["state"] == "SUCCESS"
            assert not finding(kanchi, "result_backend_unreachable"), worker


@pytest.mark.parametrize("broker, version, late", [
    ("redis", "main", False), ("redis", "celery52", False), ("redis", "main", True),
    ("rabbitmq", "main", False)])
def test_a_killed_and_restarted_worker_loses_what_has_no_message(request, folder,
                                                                 start, broker,  # noqa: F811
                                                                 version, late):
    broker_url, redis_url = (request.getfixturevalue(f"{one}_url") for one in (broker, "redis"))
    how = {"version": version, "backend_url": redis_url,
           "app": "late_app" if late else "sample_app.app"}
    kanchi = start(broker_url, brokers={"queues": ["parked"]})
    send(broker_url, redis_url, 1, "shop.echo", queue="parked")  # nobody takes it
    rig.wait_for(lambda: any(one["name"] == "parked" and one["depth"] == 1
                             for one in kanchi.get("/queues")["items"]), 30, "it is measured")
    worker = rig.CeleryWorker(folder, broker_url, **how).wait_ready()
    try:
        running = send(broker_url, redis_url, 1, "shop.order.review", args=[600])[0]
        wait_for_status(kanchi, running, "started")
    finally:
        worker.kill()
    worker = rig.CeleryWorker(folder, broker_url, **how).wait_ready()
    try:
        done = send(broker_url, redis_url, 1, "shop.echo")[0]
        wait_for_status(kanchi, done, "success")
        if late:  # it lies among the unacknowledged, and will be given to a worker again
            wait_for_status(kanchi, ghosts(broker_url, worker.hostname, 1)[0], "orphaned")
            wait_asked(kanchi, 3)
            assert status_of(kanchi, running) == "started"
        else:
            wait_for_status(kanchi, running, "orphaned")
            task = tasks_of(kanchi)[running]
            assert (task["status_from"], task["completed_at"]) == ("worker", None)
    finally:
        worker.kill()


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_of_two_workers_with_one_name_neither_loses_the_others_task(request, folder,
                                                                    start, broker):  # noqa: F811
    broker_url = request.getfixturevalue(f"{broker}_url")
    kanchi = start(broker_url)
    for name in ("one", "two"):
        (folder / name).mkdir()
    workers = [rig.CeleryWorker(folder / name, broker_url, name="same", concurrency=1)
               for name in ("one", "two")]
    try:
        for worker in workers:
            worker.wait_ready()
        running = send(broker_url, None, 1, "shop.order.review", args=[600])[0]
        wait_for_status(kanchi, running, "started")
        said = rig.wait_for(lambda: finding(kanchi, "worker_name_shared"), 40, "the finding")
        assert "same@kanchi-test" in said["text"]
        log = kanchi.processes["control"].log
        rounds, begin = log().count("round.done"), time.monotonic()
        wait_asked(kanchi, 3)
        assert log().count("round.done") - rounds <= 3 + (time.monotonic() - begin) / 5
        assert status_of(kanchi, running) == "started"
    finally:
        for worker in workers:
            worker.kill()

"""A message that a broker may have taken, though it did not say so, is neither sent nor failed."""

import subprocess

import pytest
import rig
from control_retry_test import post
from rig.celery_worker import sample_environment

SEND = """
from celery import Celery
import os
app = Celery(broker=os.environ["SAMPLE_BROKER"])
app.conf.update(task_send_sent_event=True)
print(app.send_task("shop.pay", args=[5], queue="work").id)
"""


@pytest.fixture(params=["redis", "rabbitmq"])
def stage(request, folder, redis_server):
    """(proxy, Kanchi that looks through it, id of a task)."""
    url = request.getfixturevalue(f"{request.param}_url")
    port = (redis_server if request.param == "redis"
            else request.getfixturevalue("rabbitmq_server")).port
    with rig.Proxy(port) as proxy:
        kanchi = rig.Kanchi(folder / "kanchi", [url.replace(f":{port}", f":{proxy.port}")],
                            config={"control": {"reconcile": False}})
        try:
            kanchi.up()
            rig.wait_for(lambda: kanchi.get("/system")["ingestion"].get("default", {}).get(
                "state") == "connected", 30, "it is connected")
            ident = subprocess.run([rig.python_of("main"), "-c", SEND], check=True, text=True,
                                   timeout=60, capture_output=True,
                                   env=sample_environment(url)).stdout.strip()
            rig.wait_for(lambda: kanchi.get("/tasks")["items"], 30, "the task is known")
            yield proxy, kanchi, ident
        finally:
            kanchi.stop()


def test_a_retry_that_was_not_confirmed_is_unknown_and_linked(stage):
    proxy, kanchi, ident = stage
    body = {"args": [6], "kwargs": {}, "queue": "work"}
    path = f"/tasks/{ident}/retry?force=true"
    proxy.lose_answer(b"argsrepr")
    status, answer = post(kanchi, path, body)
    assert status == 504 and answer["code"] == "outcome_unknown", answer
    assert "unknown" in answer["detail"] and answer["new_id"] in answer["detail"]
    entry = kanchi.get("/audit")["items"][0]
    assert entry["outcome"] == "unknown" and entry["ended_at"] and "unknown" in entry["text"]
    assert kanchi.get(f"/tasks/{ident}")["retried_as"] == [answer["new_id"]]
    # the connection is made again, and nothing is unknown then
    status, answer = post(kanchi, path, body)
    assert status == 202, answer


def test_a_connection_that_was_cut_while_idle_is_made_again(stage):
    proxy, kanchi, ident = stage
    body = {"args": [6], "kwargs": {}, "queue": "work"}
    for _ in range(6):  # control has several connections
        assert post(kanchi, f"/tasks/{ident}/retry?force=true", body)[0] == 202
    proxy.cut()
    for _ in range(6):
        status, answer = post(kanchi, f"/tasks/{ident}/retry?force=true", body)
        assert status == 202, answer
    proxy.refuse()
    status, answer = post(kanchi, f"/tasks/{ident}/retry?force=true", body)
    assert status in (502, 503) and "nothing was sent" in answer["detail"], answer


def test_a_broker_that_does_not_answer_is_named_with_what_was_not_done(stage):
    proxy, kanchi, ident = stage
    path, body = f"/tasks/{ident}/retry?force=true", {"args": [6], "kwargs": {}, "queue": "work"}
    proxy.stall()
    try:
        why = "nothing was sent, broker: no answer in time"
        status, answer = post(kanchi, path, body)
        assert status in (502, 503) and answer["detail"] == f"control of default: {why}", answer
        assert "code" not in answer  # control has answered
        entry = kanchi.get("/audit")["items"][0]
        assert entry["outcome"] == "failed" and entry["text"] == why, entry
    finally:
        proxy.heal()

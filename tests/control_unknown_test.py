"""A message that a broker may have taken, though it did not say so, is neither sent nor failed."""

import base64
import concurrent.futures
import subprocess

import pytest
import redis
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
        why = "nothing was sent, broker: timed out"
        status, answer = post(kanchi, path, body)
        assert status in (502, 503) and answer["detail"] == f"control of default: {why}", answer
        assert "code" not in answer  # control has answered
        entry = kanchi.get("/audit")["items"][0]
        assert entry["outcome"] == "failed" and entry["text"] == why, entry
    finally:
        proxy.heal()


@pytest.fixture
def lose_command(request, stage):
    """Lets a command arrive, of which the broker does not say so any more."""
    def lose(method):
        sign = f'{{"method":"{method}"'.encode()
        if request.node.callspec.params["stage"] == "redis":
            sign = base64.b64encode(sign[:len(sign) // 3 * 3])
        stage[0].lose_answer(sign)
    return lose


def test_a_command_that_may_have_arrived_is_unknown(stage, lose_command):
    """Whoever is told to try again grows the pool twice, and kills the process of another task."""
    proxy, kanchi, ident = stage
    for command, path, body, method in (
            ("pool_grow", "/commands/pool_grow", {"workers": ["celery@nobody"], "arguments": {"n": 1}}, "POST"),
            ("revoke", f"/tasks/{ident}?terminate=true&signal=KILL", None, "DELETE")):
        lose_command(command)
        status, answer = post(kanchi, path, body, method)
        assert status == 504 and answer["code"] == "outcome_unknown", answer
        assert "it is unknown whether the command arrived" in answer["detail"], answer
        entry = kanchi.get("/audit")["items"][0]
        assert entry["outcome"] == "unknown" and entry["ended_at"] and "unknown" in entry["text"]
    # a question is only without an answer, and what was refused before it left was not sent
    proxy.refuse()
    status, answer = post(kanchi, "/commands/pool_grow", {"workers": ["celery@nobody"], "arguments": {"n": 1}})
    assert status in (502, 503) and "nothing was sent" in answer["detail"] and "code" not in answer
    assert kanchi.get("/audit")["items"][0]["outcome"] == "refused"


def test_a_revoke_of_a_job_that_may_have_arrived_is_uncertain(stage, lose_command):
    _, kanchi, ident = stage
    lose_command("revoke")
    status, job = post(kanchi, "/jobs", {"action": "revoke", "ids": [ident]})
    assert status == 202, job
    rig.wait_for(lambda: kanchi.get(f"/jobs/{job['id']}")["state"] == "done", 60, "the job has ended")
    item = kanchi.get(f"/jobs/{job['id']}/items")["items"][0]
    assert item["state"] == "uncertain" and "unknown whether the command arrived" in item["text"], item


def test_an_action_that_is_asked_again_of_another_control_is_unknown(folder, redis_url):
    """Its control is killed before it answers; the bus asks the next one."""
    with concurrent.futures.ThreadPoolExecutor() as pool, redis.from_url(redis_url) as client, \
            client.pubsub() as listening:
        listening.psubscribe("*pidbox*")  # somebody gets the command, and does not answer
        kanchi = rig.Kanchi(folder / "kanchi", [redis_url])
        try:
            for service in ("storage", "ingestion", "aggregation", "control", "gateway"):
                kanchi.start(service)
            rig.wait_for(kanchi.is_ready, 30, "Kanchi is ready")
            rig.wait_for(lambda: kanchi.get("/system")["ingestion"].get("default", {}).get(
                "state") == "connected", 30, "it is connected")
            body = {"workers": ["celery@nobody"], "arguments": {"n": 1}, "timeout": 20}
            asked = pool.submit(post, kanchi, "/commands/pool_grow", body)
            rig.wait_for(lambda: kanchi.get("/audit")["items"], 30, "it is begun")
            kanchi.processes["control"].kill()
            kanchi.start("control", name="control-2")
            status, answer = asked.result()
            assert status == 504 and answer["code"] == "outcome_unknown", answer
            assert "was already started" in answer["detail"]
        finally:
            kanchi.stop()


def test_an_action_for_which_there_is_not_enough_memory_is_refused(folder, redis_url):
    kanchi = rig.Kanchi(folder / "kanchi", [redis_url])
    try:
        kanchi.up()
        rig.wait_for(lambda: kanchi.get("/system")["ingestion"].get("default", {}).get(
            "state") == "connected", 30, "it is connected")
        ident = subprocess.run([rig.python_of("main"), "-c", SEND.replace("5", "'x' * 40_000_000")],
                               check=True, text=True, timeout=60, capture_output=True,
                               env=sample_environment(redis_url)).stdout.strip()
        rig.wait_for(lambda: kanchi.get("/tasks")["items"], 30, "the task is known")
        status, answer = post(kanchi, f"/tasks/{ident}/retry?force=true")
        assert status == 503 and "not have enough memory" in answer["detail"], answer
        assert "nothing was sent" in answer["detail"] and "code" not in answer
        assert kanchi.get("/audit")["items"][0]["outcome"] == "refused"
        assert "outcome_not_stored" not in kanchi.processes["kanchi"].log()
    finally:
        kanchi.stop()

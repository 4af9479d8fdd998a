"""Workers while their broker is away: they are unknown, and their uptime is not charged."""

import os
import signal

import pytest
import rig

FAST = {"control": {"interval": "3s", "reply_timeout": "2s"},
        "aggregation": {"worker_timeout": "4s"}}


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request, folder):
    """A broker of its own, and how its URL is called."""
    with (rig.Redis if request.param == "redis" else rig.RabbitMQ)(folder / "broker") as broker:
        yield broker


def status_of(kanchi, worker):
    return kanchi.get(f"/workers/{worker.hostname}")["status"]


def sends_heartbeats(kanchi, worker):
    one = kanchi.get(f"/workers/{worker.hostname}")
    return one["status"] == "online" and one["last_seen"] and one["active"] is not None


def changes_of(kanchi, worker):
    return [item["change"] for item in kanchi.get(f"/workers/{worker.hostname}/life")["items"]]


def link(kanchi):
    return kanchi.get("/system")["ingestion"]["default"]["state"]


@pytest.mark.parametrize("how", ["silent", "dead"])
def test_workers_are_unknown_while_their_broker_is_away(folder, broker, how):
    with rig.Kanchi(folder / "kanchi", [broker.url()], config=FAST) as kanchi, \
            rig.CeleryWorker(folder, broker.url(), name="stays") as stays, \
            rig.CeleryWorker(folder, broker.url(), name="dies") as dies:
        kanchi.up()
        for worker in (stays, dies):
            rig.wait_for(lambda: sends_heartbeats(kanchi, worker), 40, worker.hostname)
        rig.wait_for(lambda: link(kanchi) == "connected", 20, "the broker")
        if how == "silent":
            os.killpg(broker.process.pid, signal.SIGSTOP)
        else:
            broker.process.kill()
        for worker in (stays, dies):
            rig.wait_for(lambda: status_of(kanchi, worker) == "unknown", 15, "an unknown worker")
        assert link(kanchi) in ("away", "connecting")
        assert kanchi.get("/metrics")["workers"]["offline"] == 0
        assert kanchi.get("/workers", status="unknown")["items"]
        seen = kanchi.get(f"/workers/{dies.hostname}")["last_seen"]
        dies.kill()
        if how == "silent":
            os.killpg(broker.process.pid, signal.SIGCONT)
        else:
            broker.start()
        rig.wait_for(lambda: status_of(kanchi, stays) == "online", 60, "a worker that is back")
        rig.wait_for(lambda: status_of(kanchi, dies) == "offline", 60, "a worker that died")
        assert "offline" not in changes_of(kanchi, stays)
        assert "unknown" in changes_of(kanchi, stays)
        assert changes_of(kanchi, stays)[-1] == "online"  # once more if it says so when it is back
        last = kanchi.get(f"/workers/{dies.hostname}/life")["items"][-1]
        assert last["change"] == "offline"
        assert last["at"] >= seen

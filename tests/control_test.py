"""Control and aggregation against real workers, on both brokers and two lines of Celery."""

import json
import subprocess
import time

import pytest
import rig
from rig.celery_worker import sample_environment

SERVICES = ("storage", "ingestion", "control", "aggregation", "gateway")
FAST = {"control": {"interval": "3s", "reply_timeout": "2s"},
        "aggregation": {"worker_timeout": "4s", "rollup_interval": "500ms"}}
# A worker without -E, of an application that does not switch events on either.
QUIET = {"events": False, "env": {"SAMPLE_EVENTS": "0", "SAMPLE_PACE": "0"}}


def until(check, timeout=30):
    """What check returns when it is true; the last failure otherwise."""
    end = time.monotonic() + timeout
    while True:
        try:
            found = check()
        except (OSError, LookupError, TypeError) as error:
            found, last = None, error
        else:
            last = f"still {found!r}"
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(last)
        time.sleep(0.2)


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request):
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def kanchi(folder, broker_url):
    config = {name: dict(keys) for name, keys in FAST.items()}
    with rig.Kanchi(folder / "kanchi", [broker_url], config=config) as kanchi:
        for service in SERVICES:
            kanchi.start(service)
        until(kanchi.is_ready)
        yield kanchi


def worker_of(kanchi, hostname):
    items = kanchi.get("/workers")["items"]
    return next((one for one in items if one["hostname"] == hostname), None)


def send(broker_url, count, name="shop.order.price", pause=0):
    code = ("import time; from sample_app.app import app\n"
            f"for i in range({count}): app.send_task({name!r}, args=[i]); time.sleep({pause})")
    subprocess.run([rig.python_of(), "-c", code], check=True, timeout=60,
                   env=sample_environment(broker_url))


@pytest.mark.parametrize("version, pool", [("main", "prefork"), ("celery52", "prefork"),
                                           ("main", "threads")])
def test_a_quiet_worker_is_asked_and_its_events_are_switched_on(folder, kanchi, broker_url,
                                                                version, pool):
    with rig.CeleryWorker(folder, broker_url, name="quiet", version=version, pool=pool,
                          concurrency=3, queues=("default", "mail"), **QUIET) as worker:
        celery = "5.6" if version == "main" else "5.2"

        def answered():
            """Each comes with an answer or a heartbeat of its own."""
            one = worker_of(kanchi, worker.hostname)
            return (one["status"], one["pool"], one["concurrency"], sorted(one["queues"]),
                    one["events_enabled"], "shop.order.price" in (one["registered"] or ()),
                    (one["memory_mb"] or 0) > 5, one["versions"]["celery"][:3])
        until(lambda: answered() == ("online", pool, 3, ["default", "mail"], True, True, True, celery))
        until(lambda: worker_of(kanchi, worker.hostname)["cpu_percent"] is not None, 20)

        send(broker_url, 20)
        # A threads pool loses some final events itself; what it received it always says.
        status = "success" if pool == "prefork" else None
        until(lambda: len(list(kanchi.all_items("/tasks", status=status))) == 20)


def test_a_worker_that_is_started_anew_has_its_events_switched_on_again(folder, kanchi, broker_url):
    for _ in range(2):
        with rig.CeleryWorker(folder, broker_url, name="again", **QUIET) as worker:
            since = time.time()
            until(lambda: (one := worker_of(kanchi, worker.hostname)) and
                  one["status"] == "online" and one["events_enabled"])
            time.sleep(3)
            before = len(list(kanchi.all_items("/tasks", status="success")))
            send(broker_url, 5)
            until(lambda: len(list(kanchi.all_items("/tasks", status="success"))) == before + 5)
            assert time.time() - since < 30
        until(lambda: worker_of(kanchi, worker.hostname)["status"] == "offline", 10)


def test_a_worker_that_is_killed_goes_offline_and_one_that_pauses_comes_back(folder, kanchi,
                                                                           broker_url):
    worker = rig.CeleryWorker(folder, broker_url, name="doomed")
    worker.wait_ready()
    until(lambda: worker_of(kanchi, worker.hostname)["status"] == "online")
    worker.pause()
    until(lambda: worker_of(kanchi, worker.hostname)["status"] == "offline", 20)
    worker.resume()
    until(lambda: worker_of(kanchi, worker.hostname)["status"] == "online", 20)
    worker.kill()
    until(lambda: worker_of(kanchi, worker.hostname)["status"] == "offline", 20)


def totals(kanchi):
    """Of the last hour: tasks that succeeded, and runtimes."""
    points = [point for one in kanchi.get("/metrics/timeseries")["series"]
              for point in one["points"]]
    return (sum(p["counts"]["success"] for p in points if p["counts"]),
            sum(p["runtime"]["count"] for p in points if p["runtime"]))


def test_rollups_are_exact_when_aggregation_was_away_for_too_long(folder, redis_url):
    config = {name: dict(keys) for name, keys in FAST.items()}
    config["storage"] = {"feed_keep": 100}
    config["ingestion"] = {"batch_events": 1}  # many commits
    with rig.Kanchi(folder / "kanchi", [redis_url], config=config) as kanchi:
        for service in SERVICES:
            kanchi.start(service)
        with rig.CeleryWorker(folder, redis_url, name="busy", env={"SAMPLE_PACE": "0"}):
            send(redis_url, 20)
            until(lambda: totals(kanchi) == (20, 20))
            kanchi.processes["aggregation"].kill()
            send(redis_url, 150, pause=0.08)
            until(lambda: len(list(kanchi.all_items("/tasks", status="success"))) == 170)
            aggregation = kanchi.start("aggregation")
            until(lambda: totals(kanchi) == (170, 170))
            assert "rollups.rebuild" in aggregation.log()
            send(redis_url, 10)
            until(lambda: totals(kanchi) == (180, 180))


def test_rollups_and_figures_are_exact_across_kills_of_aggregation(folder, kanchi, broker_url):
    with rig.CeleryWorker(folder, broker_url, name="busy", env={"SAMPLE_PACE": "0"}):
        for _ in range(5):
            send(broker_url, 40)
            kanchi.processes["aggregation"].kill()
            kanchi.start("aggregation")
        until(lambda: len(list(kanchi.all_items("/tasks", status="success"))) == 200, 60)

        until(lambda: totals(kanchi) == (200, 200), 20)
        time.sleep(2)
        assert totals(kanchi) == (200, 200)
        assert kanchi.get("/metrics")["workers"]["online"] == 1


def test_no_queue_and_no_binding_is_left_behind_on_redis(folder, redis_url):
    config = {name: dict(keys) for name, keys in FAST.items()}
    with rig.CeleryWorker(folder, redis_url, name="clean") as worker:
        with rig.Kanchi(folder / "kanchi", [redis_url], config=config) as kanchi:
            for service in SERVICES:
                kanchi.start(service)
            until(lambda: worker_of(kanchi, worker.hostname)["registered"])
        import redis
        server = redis.Redis.from_url(redis_url)
        assert not server.exists("_kombu.binding.reply.celery.pidbox")
        assert not [key for key in server.keys("*") if b"reply.celery.pidbox" in key]


def test_events_stay_off_where_that_is_wanted_and_that_is_said(folder, redis_url):
    config = {name: dict(keys) for name, keys in FAST.items()}
    with rig.Kanchi(folder / "kanchi", [redis_url], config=config) as kanchi:
        kanchi.sections["brokers"][0]["enable_events"] = False
        kanchi.write_config()
        for service in SERVICES:
            kanchi.start(service)
        with rig.CeleryWorker(folder, redis_url, name="quiet", **QUIET) as worker:
            until(lambda: worker_of(kanchi, worker.hostname)["registered"])
            found = until(lambda: [one for one in kanchi.get("/system")["findings"]
                                   if one["code"] == "events_disabled"])
            assert worker.hostname in found[0]["text"]
            assert "-E" in found[0]["remedy"]
            send(redis_url, 3)
            time.sleep(3)
            assert not list(kanchi.all_items("/tasks", status="success"))


def test_secrets_of_a_worker_are_not_kept(folder, kanchi, broker_url):
    with rig.CeleryWorker(folder, broker_url, name="secret",
                          backend_url="redis://:hunter2@127.0.0.1:1/0"):
        until(lambda: worker_of(kanchi, "secret@kanchi-test")["registered"])
        shown = json.dumps(kanchi.get("/workers/secret@kanchi-test"))
        assert "result_backend" in shown
        assert "hunter2" not in shown


def test_a_broker_that_goes_away_kills_no_worker_and_is_found_again(folder):
    with rig.Redis(folder / "first") as server:
        port, url = server.port, server.url(0)
        worker = rig.CeleryWorker(folder, url, name="patient")
        worker.wait_ready()
        config = {name: dict(keys) for name, keys in FAST.items()}
        kanchi = rig.Kanchi(folder / "kanchi", [url], config=config)
        for service in SERVICES:
            kanchi.start(service)
        until(lambda: worker_of(kanchi, worker.hostname)["registered"])
    try:
        def control():
            return next(one for one in kanchi.get("/system")["services"]
                        if one["name"] == "control")

        until(lambda: control()["state"] == "degraded")
        until(lambda: worker_of(kanchi, worker.hostname)["status"] == "unknown")
        time.sleep(6)  # longer than aggregation.worker_timeout
        assert worker_of(kanchi, worker.hostname)["status"] == "unknown"
        before = worker_of(kanchi, worker.hostname)["inspected_at"]
        with rig.Redis(folder / "second", port=port):
            until(lambda: control()["state"] == "ready", 20)
            until(lambda: worker_of(kanchi, worker.hostname)["inspected_at"] > before, 60)
            until(lambda: worker_of(kanchi, worker.hostname)["status"] == "online")
            worker.stop()
    finally:
        worker.kill()
        kanchi.stop()

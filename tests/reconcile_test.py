"""Tasks whose events were lost: a pool of threads loses some hundred of 1,000 by itself."""

import collections
import json
import subprocess
import time

import pytest
import redis
import rig
from rig.celery_worker import sample_environment

SERVICES = ("storage", "ingestion", "control", "aggregation", "gateway")
FAST = {"control": {"interval": "5s", "reconcile_after": "1s"},
        "aggregation": {"rollup_interval": "500ms"}, "log": {"level": "debug"}}
SETTLED = 30  # seconds, the promise
SEND = """
import json, sys
from sample_app.app import app
names = json.loads(sys.argv[2])
with app.producer_pool.acquire() as producer:
    print(json.dumps([app.send_task(names[i % len(names)], producer=producer,
                                    **{"args": [i], **json.loads(sys.argv[3])}).id
                      for i in range(int(sys.argv[1]))]))
"""


def send(broker_url, backend_url, count, *names, version="main", **options):
    """Sends tasks of these names in turn, with their number as argument; their ids."""
    env = sample_environment(broker_url, backend_url)
    done = subprocess.run([rig.python_of(version), "-c", SEND, str(count), json.dumps(names),
                           json.dumps(options)],
                          check=True, timeout=60, env=env, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.fixture
def start(folder):
    """Starts a Kanchi's services one by one."""
    started = []

    def run(broker_url, **config):
        merged = {name: dict(keys) for name, keys in FAST.items()}
        brokers = config.pop("brokers", {})
        for name, keys in config.items():
            merged.setdefault(name, {}).update(keys)
        kanchi = rig.Kanchi(folder / "kanchi", [broker_url], config=merged)
        kanchi.sections["brokers"][0].update(brokers)
        kanchi.write_config()
        started.append(kanchi)
        for service in SERVICES:
            kanchi.start(service)
        rig.wait_for(kanchi.is_ready, 30, "Kanchi is ready")
        return kanchi

    yield run
    for kanchi in started:
        kanchi.stop()


def states_of(backend_url, idents):
    """What the result backend says, by id."""
    values = redis.Redis.from_url(backend_url).mget([f"celery-task-meta-{one}" for one in idents])
    return {ident: json.loads(value)["status"] for ident, value in zip(idents, values) if value}


def tasks_of(kanchi):
    return {one["id"]: one for one in kanchi.all_items("/tasks", limit=200)}


def counts_of(kanchi):
    """Of the rollups, by status."""
    counts = collections.Counter()
    for one in kanchi.get("/metrics/timeseries")["series"]:
        for point in one["points"]:
            counts.update(point["counts"] or {})
    return counts


def wait_asked(kanchi, times):
    """Until control has asked so often about something, from now on."""
    log = kanchi.processes["control"].log
    before = log().count("reconcile.asked")
    rig.wait_for(lambda: log().count("reconcile.asked") >= before + times, 60, "control asks")


def finding(kanchi, code):
    return next((one for one in kanchi.get("/system")["findings"] if one["code"] == code), None)


def wait_done(backend_url, idents):
    def done():
        states = states_of(backend_url, idents)
        assert len(states) == len(idents), f"{len(states)} of {len(idents)}"
        assert set(states.values()) <= {"SUCCESS", "FAILURE"}
        return states
    return rig.wait_for(done, 180, "all tasks are done")


@pytest.mark.parametrize("broker, version, pool, clock", [
    ("redis", "main", "threads", None), ("redis", "celery52", "threads", "+7200"),
    ("rabbitmq", "main", "threads", "-7200"), ("redis", "main", "gevent", None)])
def test_every_task_ends_as_its_result_backend_says(request, folder, start, redis_url, broker,
                                                    version, pool, clock):
    broker_url = request.getfixturevalue(f"{broker}_url")
    kanchi = start(broker_url)
    with rig.CeleryWorker(folder, broker_url, version=version, pool=pool, concurrency=8,
                          backend_url=redis_url, env={"SAMPLE_PACE": "0"}, clock=clock):
        idents = send(broker_url, redis_url, 1000, "shop.order.price", "shop.order.price",
                      "shop.order.decline", version=version)
        wanted = {ident: state.lower() for ident, state in wait_done(redis_url, idents).items()}
        begin = time.monotonic()

        def settled():
            tasks = tasks_of(kanchi)
            left = {i: tasks.get(i, {}).get("status") for i, state in wanted.items()
                    if tasks.get(i, {}).get("status") != state}
            assert not left, f"{len(left)} left, such as {list(left.items())[:3]}"
            return tasks

        tasks = rig.wait_for(settled, SETTLED, "every task has its state")
        origins = collections.Counter(one["status_from"] for one in tasks.values())
        print(f"settled {time.monotonic() - begin:.1f} s after the last task; {dict(origins)}")

        states = collections.Counter(wanted.values())

        def counted():
            counts = counts_of(kanchi)
            assert {one: counts[one] for one in states} == dict(states), dict(counts)
            return True

        rig.wait_for(counted, 20, "rollups say the same")
        for ident in [i for i, one in tasks.items() if one["status_from"] == "backend"][:5]:
            task = kanchi.get(f"/tasks/{ident}")
            events = kanchi.get(f"/tasks/{ident}/events")["items"]
            assert [one for one in events if one["origin"] == "backend"]
            assert task["completed_at"] and task["worker_id"]
            if task["status"] == "success":
                assert task["result"]["currency"] == "EUR"
            else:
                assert task["error"].startswith("PaymentDeclined('order "), task["error"]
                assert "Traceback" in task["traceback"]


@pytest.mark.parametrize("version", ["main", "celery52"])
def test_without_a_backend_none_hangs_on_a_worker_that_does_not_run_it(folder, start, redis_url,
                                                                       version):
    kanchi = start(redis_url)
    worker = rig.CeleryWorker(folder, redis_url, version=version, pool="threads", concurrency=8,
                              env={"SAMPLE_PACE": "0"})
    worker.wait_ready()
    try:
        idents = send(redis_url, None, 500, "shop.order.price", version=version)
        running = send(redis_url, None, 4, "shop.order.review", args=[600], version=version)

        def settled():
            tasks = tasks_of(kanchi)
            states = collections.Counter(tasks[one]["status"] for one in idents if one in tasks)
            # One of which not a single event came has no worker that could be asked.
            assert sum(states[one] for one in ("success", "orphaned", "pending")) == len(idents), \
                dict(states)
            assert states["pending"] < 10
            assert {tasks[one]["status"] for one in running} == {"started"}
            return tasks

        tasks = rig.wait_for(settled, SETTLED + 30, "every task is settled")
        lost = [one for one in tasks.values() if one["status"] == "orphaned"]
        print(f"{len(lost)} orphaned")
        assert lost
        for one in lost:
            assert one["status_from"] == "worker" and one["worker_id"] == worker.hostname
            assert one["completed_at"] is None
        rig.wait_for(lambda: counts_of(kanchi)["orphaned"] == len(lost), 20, "rollups say the same")
        # What it runs, it says: no verdict, however often it is asked.
        wait_asked(kanchi, 3)
        settled()
    finally:
        worker.kill()


def test_tasks_that_wait_for_their_turn_are_left_in_peace(folder, start, redis_url):
    kanchi = start(redis_url)
    # A prefork pool, for it loses no event: what it does not say has not happened.
    worker = rig.CeleryWorker(folder, redis_url, concurrency=2,
                              options=("--prefetch-multiplier", "50"))
    worker.wait_ready()
    try:
        limited = send(redis_url, None, 3, "shop.partner.push")
        later = send(redis_url, None, 5, "shop.order.review", args=[600])
        eta = send(redis_url, None, 1, "shop.echo", countdown=600)
        rig.wait_for(lambda: len(tasks_of(kanchi)) == 9, 20, "all are seen")
        wait_asked(kanchi, 4)
        tasks = tasks_of(kanchi)
    finally:
        worker.kill()
    states = {name: sorted(tasks[one]["status"] for one in idents)
              for name, idents in (("limited", limited), ("later", later), ("eta", eta))}
    assert states["later"] == ["received"] * 3 + ["started"] * 2
    assert states["eta"] == ["received"]
    assert "orphaned" not in states["limited"] and states["limited"].count("received") == 2


def test_a_backend_that_can_not_be_asked_is_said(folder, start, redis_url):
    with rig.Redis(folder / "results", password="secret") as results:
        kanchi = start(redis_url)
        with rig.CeleryWorker(folder, redis_url, pool="threads", backend_url=results.url(1),
                              env={"SAMPLE_PACE": "0"}):
            send(redis_url, results.url(1), 300, "shop.order.price")
            said = rig.wait_for(lambda: finding(kanchi, "result_backend_password"), 30,
                                "the finding")
            assert "result_backend" in said["remedy"]
            assert "secret" not in json.dumps(kanchi.get("/system"))
            ident = next(iter(tasks_of(kanchi)))
            status, answer = kanchi.ask("GET", f"/tasks/{ident}/result")
            assert status == 409 and "set result_backend for this broker" in answer["detail"]


@pytest.mark.parametrize("known", [False, True])
def test_a_prefix_of_the_results_keys_has_to_be_set(folder, start, redis_url, known):
    kanchi = start(redis_url, brokers={"result_key_prefix": "r:"} if known else {})
    with rig.CeleryWorker(folder, redis_url, app="sample_app.mistaken", backend_url=redis_url,
                          env={"SAMPLE_PACE": "0", "MISTAKEN_RESULT_PREFIX": "r:"}):
        ident = send(redis_url, redis_url, 1, "shop.order.price")[0]
        rig.wait_for(lambda: tasks_of(kanchi).get(ident, {}).get("status") == "success", 30,
                     "the task's end")

        def answered():
            status, answer = kanchi.ask("GET", f"/tasks/{ident}/result")
            return status == 200 if known else "set result_key_prefix" in answer["detail"]
        rig.wait_for(answered, 30, "the result" if known else "why there is none")


def test_a_configured_backend_is_asked_and_its_absence_is_said(folder, start, redis_url):
    with rig.Redis(folder / "results", password="secret") as results:
        kanchi = start(redis_url, brokers={"result_backend": results.url(1)})
        with rig.CeleryWorker(folder, redis_url, pool="threads", concurrency=8,
                              backend_url=results.url(1), env={"SAMPLE_PACE": "0"}):
            idents = send(redis_url, results.url(1), 300, "shop.order.price")
            rig.wait_for(lambda: collections.Counter(
                one["status"] for one in tasks_of(kanchi).values())["success"] == len(idents),
                SETTLED, "every task has its state")
    worker = rig.CeleryWorker(folder, redis_url, name="second")
    worker.wait_ready()
    try:
        ident = send(redis_url, None, 1, "shop.order.review", args=[600])[0]
        said = rig.wait_for(lambda: finding(kanchi, "result_backend_unreachable"), 30, "the finding")
        assert "secret" not in said["text"]
        assert tasks_of(kanchi)[ident]["status"] == "started"
    finally:
        worker.kill()


def test_what_two_ingestions_and_control_saw_of_a_task_is_each_there_once(folder, start, redis_url):
    """The client's event came twice, and the message itself was found in the queue."""
    kanchi = start(redis_url)
    kanchi.start("ingestion", "--ingestion.instance", "second", name="ingestion-2")
    client = redis.Redis.from_url(redis_url)
    rig.wait_for(lambda: client.execute_command("PUBSUB", "NUMPAT") >= 2, what="both listen")
    with rig.CeleryWorker(folder, redis_url) as worker:  # control looks where workers consume
        worker.wait_ready()
        rig.wait_for(lambda: kanchi.get("/queues")["items"], 30, "its queue is known")
    idents = send(redis_url, redis_url, 3, "shop.echo")

    def is_seen(ident, *types):
        """What control learned is there once, and each event of these types is."""
        seen = sorted((one["type"], one["origin"])
                      for one in kanchi.get(f"/tasks/{ident}/events")["items"])
        assert seen == sorted([("task-sent", "broker"), *((one, "events") for one in types)])
        return True

    for ident in idents:
        rig.wait_for(lambda i=ident: is_seen(i, "task-sent"), 30, "event and message")
    with rig.CeleryWorker(folder, redis_url):
        for ident in idents:
            rig.wait_for(lambda i=ident: is_seen(i, "task-sent", "task-received", "task-started",
                                                 "task-succeeded"), 60, "it ran")

"""Remote control through the gateway: each command against real workers, its effect looked
at on the worker's side by Celery's own inspect, the process table and the worker's log."""

import json
import os
import pathlib
import tempfile
import threading
import time
import uuid

import celery
import pytest
import redis
import rig

SERVICES = ("storage", "ingestion", "control", "aggregation", "gateway")
CONFIG = {"control": {"interval": "3s", "reply_timeout": "4s", "reconcile": False},
          "aggregation": {"worker_timeout": "8s", "rollup_interval": "500ms"}}
WAIT = 30


class Stack:
    """A broker, workers of one version, and Kanchi's services."""

    def __init__(self, folder, broker_url, version="main"):
        self.folder, self.broker_url, self.version = folder, broker_url, version
        self.app = celery.Celery("asking", broker=broker_url)
        self.workers = {}
        self.kanchi = rig.Kanchi(folder / "kanchi", [broker_url], config=CONFIG)
        for service in SERVICES:
            self.kanchi.start(service)

    def add_worker(self, name, options=(), env=None, **more):
        worker = rig.CeleryWorker(self.folder, self.broker_url, name=name, version=self.version,
                                  app="sample_app.controlled", options=options,
                                  env={"SAMPLE_PACE": "0", **(env or {})}, **more)
        self.workers[worker.hostname] = worker
        return worker

    def wait_online(self, *names):
        def online():
            known = {one["hostname"] for one in self.kanchi.get("/workers")["items"]
                     if one["status"] == "online" and one["registered"]}
            return {f"{name}@kanchi-test" for name in names} <= known
        try:
            rig.wait_for(online, 60, "workers are online")
        except rig.RigError:
            for log in sorted(self.folder.rglob("*.log")):
                print(f"--- {log.name}", *log.read_text().splitlines()[-30:], sep="\n")
            raise

    def inspect(self, hostname, method, *args, **kwargs):
        """What the worker says to Celery's own client."""
        asked = self.app.control.inspect(destination=[hostname], timeout=5)
        return getattr(asked, method)(*args, **kwargs)[hostname]

    def command(self, method, arguments=None, **body):
        body = {"timeout": 8, **body}
        if arguments is not None:
            body["arguments"] = arguments
        return self.kanchi.post(f"/commands/{method}", body)

    def to_one(self, method, arguments=None):
        """The value of the one worker that was asked."""
        answer = self.command(method, arguments, workers=[ONE])
        assert answer["missing"] == [] and len(answer["replies"]) == 1, answer
        reply = answer["replies"][0]
        assert reply["worker"] == ONE and reply["ok"], answer
        return reply["value"]

    def send(self, name, *args, **options):
        return self.app.send_task(name, args=args, queue="default", **options).id

    def running(self, task_id):
        """The process that runs the task, when one does."""
        for host in list(self.workers):
            for task in self.inspect(host, "active"):
                if task["id"] == task_id:
                    return task["worker_pid"]
        return None

    def start_task(self, **options):
        task_id = self.send("shop.order.review", 120, **options)
        return task_id, rig.wait_for(lambda: self.running(task_id), WAIT, "the task runs")

    def stop(self):
        self.app.close()
        for worker in self.workers.values():
            worker.resume()
            worker.kill()
        self.kanchi.stop()


ONE, TWO, AUTO = "one@kanchi-test", "two@kanchi-test", "auto@kanchi-test"
# Each broker and each version once; KANCHI_ALL_COMBINATIONS=1 takes all four.
COMBINATIONS = [("redis", "main"), ("rabbitmq", "celery52")]
if os.environ.get("KANCHI_ALL_COMBINATIONS"):
    COMBINATIONS += [("redis", "celery52"), ("rabbitmq", "main")]


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def stack(request, tmp_path_factory):
    broker, version = request.param
    server = request.getfixturevalue(f"{broker}_server")
    if broker == "redis":
        url = server.url(900 + COMBINATIONS.index(request.param))
    else:
        server.add_vhost(f"command-{version}")
        url = server.url(f"command-{version}")
    with tempfile.TemporaryDirectory(prefix="kanchi-") as path:
        stack = Stack(pathlib.Path(path), url, version)
        stack.broker, stack.server = broker, server
        try:
            stack.add_worker("one", queues=("default",))
            stack.add_worker("two", queues=("mail",), events=False, env={"SAMPLE_EVENTS": "0"})
            stack.add_worker("auto", queues=("reports",), options=("--autoscale=3,1",))
            stack.wait_online("one", "two", "auto")
            yield stack
        finally:
            stack.stop()


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_questions_are_answered_by_each_worker(stack):
    everybody = stack.kanchi.get("/inspect/ping", timeout=8)
    assert [one["worker"] for one in everybody["replies"]] == [AUTO, ONE, TWO]
    assert all(one["ok"] and one["value"] == {"ok": "pong"} for one in everybody["replies"])
    assert everybody["missing"] == [] and everybody["everybody"] and not everybody["action_id"]

    for method in ("active", "reserved", "scheduled", "revoked", "registered", "active_queues",
                   "conf"):
        answer = stack.kanchi.get(f"/inspect/{method}", worker=ONE, timeout=8)
        asked = stack.inspect(ONE, method)
        assert [one["value"] for one in answer["replies"]] == [asked], method
    answer = stack.kanchi.get("/inspect/stats", worker=[ONE, TWO], timeout=8)
    pids = {one["worker"]: one["value"]["pid"] for one in answer["replies"]}
    assert pids == {host: stack.workers[host].process.pid for host in (ONE, TWO)}
    value = stack.kanchi.get("/inspect/clock", worker=ONE)["replies"][0]["value"]
    assert value["clock"] > 0
    value = stack.kanchi.get("/inspect/report", worker=ONE)["replies"][0]["value"]
    assert "celery:" in value["ok"] and "guest:guest" not in value["ok"]
    for method in ("memsample", "memdump", "objgraph"):
        answer = stack.kanchi.get(f"/inspect/{method}", worker=ONE, timeout=8)
        assert len(answer["replies"]) == 1, method


def test_workers_are_chosen_by_name_by_pattern_or_all(stack):
    for query, expected in [({"worker": TWO}, [TWO]), ({"worker": [TWO, ONE, TWO]}, [ONE, TWO]),
                            ({"pattern": "*o*e@*"}, [ONE]), ({"pattern": "[at]*"}, [AUTO, TWO]),
                            ({"pattern": "*"}, [AUTO, ONE, TWO])]:
        answer = stack.kanchi.get("/inspect/ping", timeout=8, **query)
        assert [one["worker"] for one in answer["replies"]] == expected
        assert answer["workers"] == expected and not answer["everybody"]
    status, problem = stack.kanchi.ask("GET", "/inspect/ping", pattern="none*")
    assert status == 404 and "none*" in problem["detail"]
    status, problem = stack.kanchi.ask("GET", "/inspect/ping", pattern="*", worker=ONE)
    assert status == 400


def test_a_dry_run_says_who_and_what_and_does_nothing(stack):
    before = stack.inspect(ONE, "stats")["pool"]["max-concurrency"]
    answer = stack.kanchi.post("/commands/pool_grow", {"pattern": "one@*"}, dry_run="true")
    assert answer["workers"] == [ONE] and answer["arguments"] == {"n": 1}
    assert answer["dry_run"] and answer["replies"] == [] and answer["action_id"] is None
    assert stack.inspect(ONE, "stats")["pool"]["max-concurrency"] == before


def test_what_is_not_in_the_table_is_refused_with_what_is_allowed(stack):
    for method, arguments, told in [
            ("pool_grow", {"n": 5000}, "an integer from 1 to 1000"),
            ("rate_limit", {"task_name": "x", "rate_limit": "often"}, "10/m"),
            ("revoke", {}, "missing argument task_id"), ("ping", {"x": 1}, "takes no arguments")]:
        status, problem = stack.kanchi.ask("POST", f"/commands/{method}",
                                           {"workers": [ONE], "arguments": arguments})
        assert status == 400 and told in problem["detail"], problem


def test_the_pool_grows_shrinks_and_restarts(stack):
    def processes():
        return stack.inspect(ONE, "stats")["pool"]["processes"]

    assert stack.to_one("pool_grow", {"n": 2}) == {"ok": "pool will grow"}
    rig.wait_for(lambda: len(processes()) == 4, WAIT, "four processes")
    assert stack.to_one("pool_shrink", {"n": 2}) == {"ok": "pool will shrink"}
    rig.wait_for(lambda: len(processes()) == 2, WAIT, "two processes")
    before = set(processes())
    assert stack.to_one("pool_restart") == {"ok": "reload started"}
    # billiard does not always reach each of them: two of its messages may end in one process
    rig.wait_for(lambda: len(processes()) == 2 and before - set(processes()), WAIT,
                 "another process")


def test_autoscale_changes_its_bounds_and_is_refused_without_it(stack):
    answer = stack.command("autoscale", {"max": 5, "min": 2}, workers=[AUTO, ONE])
    assert [(one["worker"], one["ok"]) for one in answer["replies"]] == [(AUTO, True), (ONE, False)]
    assert "Autoscale not enabled" in answer["replies"][1]["error"]
    scaler = stack.inspect(AUTO, "stats")["autoscaler"]
    assert (scaler["max"], scaler["min"]) == (5, 2)
    entry = next(one for one in stack.kanchi.get("/audit")["items"]
                 if one["id"] == answer["action_id"])
    assert entry["outcome"] == "partly" and entry["method"] == "autoscale"


def test_limits_are_set_for_a_task(stack):
    def told(*items):
        return next(one for one in stack.inspect(ONE, "registered", *items)
                    if one.startswith("shop.order.price"))

    name = "shop.order.price"
    assert "ok" in stack.to_one("rate_limit", {"task_name": name, "rate_limit": "7/m"})
    assert "rate_limit=7/m" in told("rate_limit")
    assert "ok" in stack.to_one("rate_limit", {"task_name": name, "rate_limit": 0})
    assert "7/m" not in told("rate_limit")
    assert "ok" in stack.to_one("time_limit", {"task_name": name, "soft": 20, "hard": 30.5})
    assert "soft_time_limit=20" in told("soft_time_limit", "time_limit")
    assert "time_limit=30.5" in told("soft_time_limit", "time_limit")
    answer = stack.command("rate_limit", {"task_name": "none", "rate_limit": 1}, workers=[ONE])
    assert answer["replies"][0] == {"worker": ONE, "ok": False, "value": None,
                                    "error": "unknown task"}


def test_a_consumer_is_added_and_cancelled(stack):
    def queues():
        return {one["name"] for one in stack.inspect(ONE, "active_queues")}

    assert "ok" in stack.to_one("add_consumer", {"queue": "extra"})
    rig.wait_for(lambda: queues() == {"default", "extra"}, WAIT, "the queue is consumed")
    task_id = stack.app.send_task("shop.order.review", args=[120], queue="extra").id
    rig.wait_for(lambda: stack.running(task_id), WAIT, "a task of the queue runs")
    stack.to_one("terminate", {"task_id": task_id, "signal": "KILL"})
    assert "ok" in stack.to_one("cancel_consumer", {"queue": "extra"})
    rig.wait_for(lambda: queues() == {"default"}, WAIT, "the queue is left alone")


def test_tasks_are_revoked_and_their_processes_ended(stack):
    waiting = stack.send("shop.order.review", 1, countdown=3)
    rig.wait_for(lambda: waiting in json.dumps(stack.inspect(ONE, "scheduled")), WAIT, "it waits")
    assert "ok" in stack.to_one("revoke", {"task_id": [waiting]})
    assert waiting in stack.inspect(ONE, "revoked")
    rig.wait_for(lambda: f"Discarding revoked task: shop.order.review[{waiting}]"
                 in stack.workers[ONE].process.log(), WAIT, "it is discarded")

    task_id, pid = stack.start_task()
    known = stack.kanchi.get("/inspect/query_task", worker=ONE, id=task_id)
    assert known["replies"][0]["value"][task_id][0] == "active"
    assert is_alive(pid)
    assert task_id in stack.to_one("terminate", {"task_id": task_id, "signal": "KILL"})["ok"]
    rig.wait_for(lambda: not is_alive(pid), WAIT, "its process has ended")

    task_id, pid = stack.start_task()
    stack.to_one("revoke", {"task_id": task_id, "terminate": True, "signal": "SIGTERM"})
    rig.wait_for(lambda: not is_alive(pid), WAIT, "its process has ended")


def test_tasks_are_revoked_by_their_stamps(stack):
    tenant = uuid.uuid4().hex
    if stack.version == "celery52":
        answer = stack.command("revoke_by_stamped_headers", {"headers": {"tenant": tenant}},
                               workers=[ONE])
        assert not answer["replies"][0]["ok"] and "KeyError" in answer["replies"][0]["error"]
        return
    _, pid = stack.start_task(stamped_headers=["tenant"], tenant=tenant)
    _, other = stack.start_task(stamped_headers=["tenant"], tenant="another")
    value = stack.to_one("revoke_by_stamped_headers",
                         {"headers": {"tenant": [tenant]}, "terminate": True, "signal": "KILL"})
    assert tenant in value["ok"]
    rig.wait_for(lambda: not is_alive(pid), WAIT, "its process has ended")
    assert is_alive(other)
    os.kill(other, 9)


def test_events_that_are_switched_off_stay_off_until_they_are_switched_on(stack):
    def said(command):
        return stack.app.control.broadcast(command, destination=[TWO], reply=True,
                                           timeout=5, limit=1)[0][TWO]["ok"]

    def shown():
        return stack.kanchi.get(f"/workers/{TWO}")

    rig.wait_for(lambda: shown()["events_enabled"], WAIT, "control has switched events on")
    answer = stack.command("disable_events", workers=[TWO])
    assert answer["replies"][0]["value"] == {"ok": "task events disabled"}
    for _ in range(2):  # rounds of control, which switches events on
        last = shown()["inspected_at"]
        rig.wait_for(lambda: shown()["inspected_at"] > last, WAIT, "another round")
    assert said("disable_events") == "task events already disabled"
    assert shown()["events_enabled"] is False
    rig.wait_for(lambda: [one for one in stack.kanchi.get("/system")["findings"]
                          if one["code"] == "events_switched_off"], WAIT, "it is said")
    answer = stack.command("enable_events", workers=[TWO])
    assert answer["replies"][0]["value"] == {"ok": "task events enabled"}
    assert said("enable_events") == "task events already enabled"


def test_a_worker_that_claims_that_its_events_were_off_is_contradicted(stack):
    rig.wait_for(lambda: stack.kanchi.get(f"/workers/{ONE}")["events_enabled"], WAIT, "on")
    answer = stack.command("disable_events", workers=[ONE])  # it was started with -E
    assert not answer["replies"][0]["ok"] and "-E" in answer["replies"][0]["error"]
    assert stack.kanchi.get(f"/workers/{ONE}")["events_enabled"] is True


def test_who_does_not_answer_is_missing_and_leaves_nothing_behind(stack):
    stack.workers[TWO].pause()
    try:
        started = time.monotonic()
        answer = stack.kanchi.get("/inspect/ping", worker=[ONE, TWO, "none@nowhere"], timeout=2)
        assert time.monotonic() - started < 10
        assert [one["worker"] for one in answer["replies"]] == [ONE]
        assert answer["missing"] == ["none@nowhere", TWO]
    finally:
        stack.workers[TWO].resume()
    answer = stack.kanchi.get("/inspect/ping", worker=[ONE, TWO], timeout=8)
    assert answer["missing"] == [] and len(answer["replies"]) == 2  # not the late one, twice
    wait_clean(stack)


def wait_clean(stack):
    """Nothing that is on the broker now stays; a round of control may have a queue of its own."""
    before = set(leftovers(stack))
    rig.wait_for(lambda: not before & set(leftovers(stack)), 60, "no reply queue")


def leftovers(stack):
    """Our reply queues and bindings on the broker."""
    if stack.broker == "redis":
        server = redis.Redis.from_url(stack.broker_url)
        return [one for one in server.smembers("_kombu.binding.reply.celery.pidbox")
                if one.startswith(b"kanchi-")] + server.keys("kanchi-*")
    vhost = stack.broker_url.rsplit("/", 1)[1]
    queues = stack.server.ctl("list_queues", "-p", vhost, "name") + \
        stack.server.ctl("list_bindings", "-p", vhost, "routing_key")
    return [one for one in queues.split() if one.startswith("kanchi-")]


def test_shutdown_ends_the_worker(stack):  # the last one
    answer = stack.command("shutdown", workers=[TWO], timeout=20)
    assert [one["worker"] for one in answer["replies"]] == [TWO] and not answer["missing"]
    assert stack.workers[TWO].process.wait(20) == 0
    assert stack.workers[ONE].process.running
    answer = stack.command("shutdown", workers=[TWO], timeout=1)
    assert answer["missing"] == [TWO] and answer["replies"] == []


# --- when things break ---


@pytest.fixture(params=["redis", "rabbitmq"])
def broken(request, folder):
    """A stack with one worker, of which only Kanchi goes through a proxy."""
    server = request.getfixturevalue(f"{request.param}_server")
    url = request.getfixturevalue(f"{request.param}_url")
    with rig.Proxy(server.port) as proxy:
        stack = Stack(folder, url.replace(f":{server.port}", f":{proxy.port}"))
        stack.broker, stack.server, stack.proxy = request.param, server, proxy
        stack.app.close()
        stack.app = celery.Celery("asking", broker=url)
        stack.broker_url = url
        try:
            stack.add_worker("one")
            stack.wait_online("one")
            yield stack
        finally:
            stack.stop()


def while_waiting(stack, act, timeout=6, workers=("none@nowhere",)):
    """The answer to a ping of a worker that does not answer, and what it took, while
    act() happens in the middle."""
    found = {}

    def ask():
        started = time.monotonic()
        found["answer"] = stack.kanchi.ask("GET", "/inspect/ping", worker=workers,
                                           timeout=timeout)
        found["took"] = time.monotonic() - started

    before = set(leftovers(stack))
    thread = threading.Thread(target=ask)
    thread.start()
    act(rig.wait_for(lambda: set(leftovers(stack)) - before, WAIT, "the question is out"))
    thread.join(60)
    return found


def test_a_broker_that_drops_the_connection_makes_workers_missing(broken):
    found = while_waiting(broken, lambda _: broken.proxy.cut())
    status, answer = found["answer"]
    assert status == 200 and answer["missing"] == ["none@nowhere"], answer
    assert found["took"] < 20
    wait_clean(broken)
    answer = broken.kanchi.get("/inspect/ping", worker=ONE, timeout=8)
    assert [one["worker"] for one in answer["replies"]] == [ONE]


def test_replies_that_are_garbage_are_counted_and_nobody_is_made_up(broken):
    garbage = [b"", b"{", b"\xff\xfe", b"[]", b'{"one@kanchi-test": ', b"x" * 100000,
               b'{"body": "e30=", "properties": {}, "headers": {}}']

    def push(names):
        for name in names:  # one of them may be a round's
            if broken.broker == "redis":
                queue = name.decode().split("\x06\x16")[-1]
                redis.Redis.from_url(broken.broker_url).rpush(queue, *garbage)
            elif "reply" in name:
                with broken.app.connection_for_write() as connection:
                    producer = connection.Producer()
                    for one in garbage:
                        producer.publish(one, routing_key=name, exchange="",
                                         content_type="application/json",
                                         content_encoding="utf-8")
        broken.workers[ONE].resume()

    broken.workers[ONE].pause()  # it answers only after the garbage
    status, answer = while_waiting(broken, push, 30, (ONE,))["answer"]
    assert status == 200 and answer["missing"] == [], answer
    assert [one["worker"] for one in answer["replies"]] == [ONE]
    assert "could not be read" in answer["note"]
    wait_clean(broken)


def test_what_a_killed_control_leaves_behind_is_taken_away_by_the_next(broken):
    def kill(_):
        broken.kanchi.processes["control"].kill()
        assert leftovers(broken) or broken.broker == "rabbitmq"
        broken.kanchi.start("control")

    if broken.broker == "redis":
        redis.Redis.from_url(broken.broker_url).sadd(
            "_kombu.binding.reply.celery.pidbox", "somebody\x06\x16\x06\x16somebodys.queue")
    found = while_waiting(broken, kill)
    assert found["answer"][0] in (200, 503)
    wait_clean(broken)
    if broken.broker == "redis":
        assert redis.Redis.from_url(broken.broker_url).sismember(
            "_kombu.binding.reply.celery.pidbox", "somebody\x06\x16\x06\x16somebodys.queue")

"""Queues: looked at, purged, moved and paused, beside real workers on both brokers.

KANCHI_QUEUES_MESSAGES=100000 takes so many messages where workers consume meanwhile; pytest -s
says how long it took."""

import collections
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import kombu
import pytest
import redis
import rig
from rig.celery_worker import sample_environment

MESSAGES = int(os.environ.get("KANCHI_QUEUES_MESSAGES", "1000"))
PATIENCE = 60 + MESSAGES / 100
SERVICES = ("storage", "ingestion", "control", "gateway")
FAST = {"control": {"interval": "5s", "reply_timeout": "3s"},
        "ingestion": {"queue_interval": "1s"}}
SEND = """
import json, sys
from noting_app import app
first, count, options = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
with app.producer_pool.acquire() as producer:
    print(json.dumps([app.send_task("note", args=[i], producer=producer, **options).id
                      for i in range(first, first + count)]))
    producer.connection.close()  # answered when the broker has read all
"""


def act(kanchi, method, path, body=None, **query):
    """Status and answer."""
    url = kanchi.url + "/api/v1" + path + "?" + urllib.parse.urlencode(query)
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Stage:
    """A broker, a Kanchi, and what the workers noted."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.notes = folder / "notes"
        place = urllib.parse.urlsplit(url)
        self.proxy = rig.Proxy(place.port)  # between Kanchi and the broker
        through = place._replace(netloc=place.netloc.replace(str(place.port), str(self.proxy.port)))
        self.kanchi = rig.Kanchi(folder / "kanchi", [through.geturl()], config=FAST)

    def send(self, count, first=0, **options):
        env = sample_environment(self.url, NOTES=self.notes)
        done = subprocess.run([rig.python_of(), "-c", SEND, str(first), str(count),
                               json.dumps(options)],
                              check=True, timeout=PATIENCE, env=env, capture_output=True, text=True)
        return json.loads(done.stdout)

    def worker(self, name="one", queues=("from",), **more):
        return rig.CeleryWorker(self.folder, self.url, name=name, queues=queues, app="noting_app",
                                env={"NOTES": str(self.notes)}, **more)

    def noted(self):
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [(int(number), queue) for number, queue in map(str.split, lines)]

    def act(self, method, path, body=None, **query):
        return act(self.kanchi, method, path, body, **query)

    def waiting(self, queue, **query):
        return self.kanchi.get(f"/queues/{queue}/messages", **query)

    def await_total(self, queue, count):
        def total():
            status, page = self.act("GET", f"/queues/{queue}/messages")
            return status == 200 and page["total"] == count  # 404: it is not known yet

        rig.wait_for(total, PATIENCE, f"{count} messages wait in {queue}")

    def depth(self, queue):
        """As the broker says; on Redis an empty queue is none."""
        with kombu.Connection(self.url) as connection:
            try:
                return connection.default_channel.queue_declare(queue, passive=True).message_count
            except connection.channel_errors:
                return 0

    def drain(self, queue):
        """The numbers in the messages of a queue, in order; none is left there."""
        with kombu.Connection(self.url) as connection:
            bound, numbers = kombu.Queue(queue)(connection.default_channel), []
            while (message := bound.get(no_ack=True)) is not None:
                numbers.append(message.payload[0][0])
        return numbers

    def queue(self, name):
        return self.kanchi.get(f"/queues/{name}")

    def ask(self, worker, method):
        """What the worker itself says, over Celery's own remote control."""
        code = ("import json; from noting_app import app\n"
                f"print(json.dumps(app.control.inspect([{worker.hostname!r}], timeout=5)"
                f".{method}()))")
        done = subprocess.run([rig.python_of(), "-c", code], check=True, timeout=60, text=True,
                              env=sample_environment(self.url, NOTES=self.notes),
                              capture_output=True)
        return (json.loads(done.stdout) or {}).get(worker.hostname)

    def active_queues(self, worker):
        return sorted(queue["name"] for queue in self.ask(worker, "active_queues") or [])

    def await_noted(self, worker, count):
        """So many have run and are acknowledged: what a worker has not acknowledged when it is
        stopped is delivered again, though it ran."""
        rig.wait_for(lambda: len(self.noted()) >= count, PATIENCE, f"{count} have run")
        rig.wait_for(lambda: self.ask(worker, "active") == self.ask(worker, "reserved") == [],
                     PATIENCE, "the worker has nothing any more")

    def audit(self, verb):
        return self.kanchi.get("/audit", action=verb)["items"]


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request):
    return request.param


@pytest.fixture
def stage(folder, broker, request):
    made = Stage(folder, request.getfixturevalue(f"{broker}_url"))
    with made.worker("first", ("from", "to")):
        pass  # both queues exist now
    with made.proxy, made.kanchi as kanchi:
        kanchi.start("storage")
        rig.wait_for((kanchi.data / "bus" / "storage.ipc").exists, 30, "storage listens")
        for service in SERVICES[1:]:
            kanchi.start(service)
        rig.wait_for(kanchi.is_ready, 30, "Kanchi is ready")
        yield made


def pages(stage, queue, **query):
    cursor, items = None, []
    while True:
        page = stage.waiting(queue, **query, **({"cursor": cursor} if cursor else {}))
        items += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return items


def test_what_waits_is_shown_and_left_there(stage, broker):
    ids = stage.send(5, kwargs={"who": "Ünal"}, countdown=3600, queue="from")
    ids += stage.send(7, first=5, queue="from")
    stage.await_total("from", 12)
    if broker == "rabbitmq":
        page = stage.waiting("from")
        assert page["items"] == [] and "requeue" in page["note"] and not page["requeued"]
    for _ in range(2):
        items = pages(stage, "from", requeue="true", limit=200 if broker == "rabbitmq" else 5)
        assert [one["id"] for one in items] == ids
        assert [one["args"] for one in items] == [[number] for number in range(12)]
        assert items[0]["name"] == "note" and items[0]["kwargs"] == {"who": "Ünal"}
        assert items[0]["eta"] and not items[6]["eta"]
        assert items[0]["args_repr"] == "[0]" and items[0]["retries"] == 0
        assert items[0]["content_type"] == "application/json" and not items[0]["unreadable"]
    # room for the five that are not yet due: with RabbitMQ 4, Celery makes none as it gets them
    with stage.worker(options=("--prefetch-multiplier=8",)):
        rig.wait_for(lambda: len(stage.noted()) == 7, 30, "the others have run")
    assert sorted(stage.noted()) == [(number, "from") for number in range(5, 12)]


def test_each_priority_of_celerys_own_steps_is_seen_and_sent_to(folder, redis_url):
    """As Celery's documentation has them: ten lists, and ":" between name and priority."""
    options = "{'priority_steps': list(range(10)), 'sep': ':', 'queue_order_strategy': 'priority'}"
    send = f"from noting_app import app\napp.conf.broker_transport_options = {options}\n"
    subprocess.run([rig.python_of(), "-c", send +
                    "for i in range(10): app.send_task('note', args=[i], priority=i)\n"
                    "app.send_task('note', args=[10], queue='to')"], check=True, timeout=60,
                   env=sample_environment(redis_url, NOTES=folder / "notes"))
    kanchi = rig.Kanchi(folder / "kanchi", config={**FAST, "brokers": [{
        "name": "default", "url": redis_url, "separator": ":", "queues": ["from", "to"],
        "priority_steps": list(range(10))}]})
    with kanchi, redis.Redis.from_url(redis_url) as client:
        kanchi.up()
        found = rig.wait_for(lambda: (lambda one: one["depth"] == 10 and one)(
            kanchi.get("/queues/from")), 30, "all priorities count")
        assert found["priorities"] == [{"priority": i, "depth": 1} for i in range(10)]
        page = kanchi.get("/queues/from/messages")
        assert sorted(one["priority"] for one in page["items"]) == list(range(10))
        status, answer = act(kanchi, "POST", "/queues/from/move", {"to": "to"})
        assert status == 200 and answer["affected"] == 10, answer
        assert [client.llen("to" if not i else f"to:{i}") for i in range(10)] == [2] + [1] * 9


def test_a_purge_says_what_it_expects_and_is_refused_otherwise(stage, broker):
    ids = stage.send(30, queue="from")
    stage.await_total("from", 30)
    status, problem = stage.act("DELETE", "/queues/from/messages")
    assert status == 400 and problem["parameter"] == "expected"
    status, problem = stage.act("DELETE", "/queues/from/messages", expected=15)
    assert status == 409 and "30" in problem["detail"]
    status, answer = stage.act("DELETE", "/queues/from/messages", expected=29, dry_run="true")
    assert status == 200 and answer["affected"] == 30 and answer["action_id"] is None
    stage.await_total("from", 30)
    if broker == "redis":  # they are known, though nobody sent task-sent
        rig.wait_for(lambda: len(list(stage.kanchi.all_items("/tasks", status="pending"))) == 30,
                     30, "the tasks are pending")
    assert stage.act("DELETE", "/queues/from/messages", expected=29, max=3)[0] == 400
    status, answer = stage.act("DELETE", "/queues/from/messages", id=ids[7])
    assert (status, answer.get("affected")) == ((200, 1) if broker == "redis" else (409, None))
    left = 29 if broker == "redis" else 30
    stage.await_total("from", left)
    if broker == "redis":
        assert stage.act("DELETE", "/queues/from/messages", id=ids[7])[0] == 404
    for dry_run in ("true", "false"):
        status, answer = stage.act("DELETE", "/queues/from/messages", max=2, dry_run=dry_run)
        assert status == 200 and answer["affected"] == 2, answer
    stage.await_total("from", left - 2)
    status, answer = stage.act("DELETE", "/queues/from/messages", max=1000)
    assert status == 200 and answer["affected"] == left - 2, answer
    stage.await_total("from", 0)
    with stage.worker():
        stage.send(1, first=99, queue="from")
        rig.wait_for(lambda: stage.noted(), 30, "the worker has the next one")
    assert stage.noted() == [(99, "from")]
    if broker == "redis":
        revoked = list(stage.kanchi.all_items("/tasks", status="revoked"))
        assert sorted(one["id"] for one in revoked) == sorted(ids)
        assert {one["status_from"] for one in revoked} == {"broker"}
    outcomes = [one["outcome"] for one in stage.audit("purge")]
    assert outcomes == (["done", "done", "refused", "done", "refused"] if broker == "redis" else
                        ["done", "done", "refused", "refused"])


def test_what_was_purged_is_told_though_control_is_killed(stage, broker):
    if broker == "rabbitmq":
        return  # which does not say what was purged
    ids = set(stage.send(MESSAGES, queue="from"))
    def of_status(status):
        return {one["id"] for one in stage.kanchi.all_items("/tasks", status=status, limit=500)}
    rig.wait_for(lambda: of_status("pending") == ids, PATIENCE, "the tasks are pending")
    stage.proxy.slow(3000)  # bytes, a hundred times a second
    with subprocess.Popen(["curl", "-s", "-m", "60", "-X", "DELETE", stage.kanchi.url +
                           f"/api/v1/queues/from/messages?expected={MESSAGES}"],
                          stdout=subprocess.DEVNULL) as purge:
        rig.wait_for(lambda: stage.depth("from") == 0, 30, "the queue is empty")
        stage.kanchi.processes["control"].kill()
        purge.kill()
    assert len(of_status("revoked")) < MESSAGES
    stage.proxy.heal()
    stage.kanchi.start("control")
    rig.wait_for(lambda: len(of_status("revoked")) >= MESSAGES - 100, PATIENCE, "it is told")
    assert of_status("revoked") | of_status("pending") == ids


def check_each_once(numbers, count):
    times = collections.Counter(numbers)
    assert [number for number in range(count) if times[number] != 1] == []
    assert len(times) == count


def test_a_move_loses_and_doubles_nothing_beside_a_worker(stage):
    stage.send(MESSAGES, queue="from")
    stage.await_total("from", MESSAGES)
    moved = 0
    with stage.worker("source") as worker:
        rig.wait_for(lambda: len(stage.noted()) > 20, 30, "the worker consumes")
        while True:
            status, answer = stage.act("POST", "/queues/from/move", {"to": "to"})
            assert status == 200, answer
            moved += answer["affected"]
            if answer["complete"]:
                break
        stage.await_noted(worker, MESSAGES - moved)
    there = stage.drain("to")
    assert len(there) == moved > 0 and there == sorted(there)
    assert {queue for _, queue in stage.noted()} == {"from"}
    check_each_once([number for number, _ in stage.noted()] + there + stage.drain("from"), MESSAGES)


def read_on(stage, broker):
    """Reads what waits, page after page, until there is no further one: ids in order. RabbitMQ
    shows only the beginning: there the same is read over and over."""
    if broker == "redis":
        return [one["id"] for one in pages(stage, "from", limit=200)]
    ids = []
    while page := stage.waiting("from", limit=200, requeue="true")["items"]:
        ids += [one["id"] for one in page]
    return ids


def test_looking_loses_and_doubles_nothing_beside_a_worker(stage, broker):
    ids = stage.send(MESSAGES, queue="from")
    stage.await_total("from", MESSAGES)
    with stage.worker() as worker:
        rig.wait_for(lambda: len(stage.noted()) > 20, 30, "the worker consumes")
        begun, before = time.monotonic(), len(stage.noted())
        shown = read_on(stage, broker)
        print(f"{len(shown)} messages shown in {time.monotonic() - begun:.1f} s, "
              f"{len(stage.noted()) - before} run meanwhile")
        there = set(shown)
        assert there and there <= set(ids)
        if broker == "redis":
            assert len(shown) == len(there)  # each once, and in order
            assert shown == [one for one in ids if one in there]
            passed_over = {number for number, one in enumerate(ids) if one not in there}
            rig.wait_for(lambda: passed_over <= {number for number, _ in stage.noted()}, PATIENCE,
                         "what was not shown was the worker's")
        stage.await_noted(worker, MESSAGES)
    check_each_once([number for number, _ in stage.noted()], MESSAGES)
    assert stage.depth("from") == 0


def test_a_purge_loses_and_doubles_nothing_beside_a_worker(stage, broker):
    ids = stage.send(MESSAGES, queue="from")
    stage.await_total("from", MESSAGES)
    with stage.worker() as worker:
        rig.wait_for(lambda: len(stage.noted()) > 20, 30, "the worker consumes")
        status = 409  # it may have taken more than a tenth since they were counted
        while status == 409:
            begun = time.monotonic()
            status, answer = stage.act("DELETE", "/queues/from/messages",
                                       expected=stage.depth("from"))
        assert status == 200 and answer["affected"] > 0, answer
        purged = answer["affected"]
        print(f"{purged} messages purged in {time.monotonic() - begun:.1f} s")
        stage.send(1, first=MESSAGES, queue="from")
        rig.wait_for(lambda: MESSAGES in {number for number, _ in stage.noted()}, PATIENCE,
                     "the next one has run")
        stage.await_noted(worker, MESSAGES + 1 - purged)
    run = {number for number, _ in stage.noted()}
    assert len(run) == len(stage.noted()) == MESSAGES + 1 - purged
    assert stage.depth("from") == 0
    if broker == "redis":  # whose messages are known
        revoked = {one["id"] for one in stage.kanchi.all_items("/tasks", status="revoked",
                                                               limit=500)}
        assert revoked == {one for number, one in enumerate(ids) if number not in run}


def check_stream(stage):
    """It is refused before anything is moved."""
    with kombu.Connection(stage.url) as connection:
        connection.default_channel.queue_declare("log", durable=True, auto_delete=False,
                                                 arguments={"x-queue-type": "stream"})
    before = stage.depth("from")
    for dry_run in ("true", "false"):
        for path, to in (("from", "log"), ("log", "from")):
            status, problem = stage.act("POST", f"/queues/{path}/move", {"to": to},
                                        dry_run=dry_run)
            assert status == 409 and '"log" is a stream' in problem["detail"], (dry_run, problem)
        status, problem = stage.act("DELETE", "/queues/log/messages", expected=0, dry_run=dry_run)
        assert status == 409 and '"log" is a stream' in problem["detail"], (dry_run, problem)
    assert stage.depth("from") == before > 0


def test_only_the_named_messages_are_moved(stage, broker):
    ids = stage.send(20, queue="from")
    stage.await_total("from", 20)
    status, answer = stage.act("POST", "/queues/from/move", {"to": "to", "ids": ids[3:6]})
    assert status == 200 and answer["affected"] == 3, answer
    stage.await_total("from", 17)
    with stage.worker("target", ("to",)):
        rig.wait_for(lambda: len(stage.noted()) == 3, 30, "three have run")
    assert sorted(stage.noted()) == [(3, "to"), (4, "to"), (5, "to")]
    status, problem = stage.act("POST", "/queues/from/move", {"to": "nowhere"})
    assert status == 404, problem
    status, problem = stage.act("POST", "/queues/from/move", {"to": "to", "expected": 200})
    assert status == 409, problem
    if broker == "rabbitmq":
        check_stream(stage)
    stage.await_total("from", 17)


def test_a_control_that_is_killed_while_it_moves_loses_and_doubles_nothing(stage):
    stage.send(MESSAGES, queue="from")
    stage.await_total("from", MESSAGES)
    stage.proxy.slow(3000)  # bytes, a hundred times a second
    with subprocess.Popen(  # it waits for an answer that will not come
            ["curl", "-s", "-m", "60", "-H", "Content-Type: application/json", "-d",
             '{"to": "to"}', stage.kanchi.url + "/api/v1/queues/from/move"],
            stdout=subprocess.DEVNULL) as move:
        rig.wait_for(lambda: stage.depth("to") > 0, 60, "the move has begun")
        stage.kanchi.processes["control"].kill()
        move.kill()
    stage.proxy.heal()
    there, left = stage.drain("to"), stage.drain("from")
    assert there and left
    check_each_once(there + left, MESSAGES)
    assert [one["outcome"] for one in stage.audit("move")] == ["unknown"]


def test_a_pause_holds_for_workers_that_come_later_and_is_taken_back(stage):
    status, problem = stage.act("POST", "/queues/nowhere/pause", {})
    assert status == 404 and '"nowhere"' in problem["detail"], problem
    assert "nowhere" not in [one["name"] for one in stage.kanchi.get("/queues")["items"]]
    assert [one["outcome"] for one in stage.audit("pause")] == ["refused"]
    with stage.worker("one", ("from", "to")) as one, stage.worker("two", ("from",)) as two:
        rig.wait_for(lambda: len(stage.queue("from")["workers"]) == 2, 30, "both are known")
        status, answer = stage.act("POST", "/queues/from/pause", {})
        assert status == 200 and answer["complete"], answer
        assert sorted(answer["confirmed"]) == sorted([one.hostname, two.hostname])
        rig.wait_for(lambda: stage.active_queues(one) == ["to"] and stage.active_queues(two) == [],
                     20, "nobody consumes it")
        assert stage.queue("from")["paused"]["since"]
        stage.send(4, queue="from")
        stage.await_total("from", 4)
        stage.kanchi.processes["control"].kill()
        stage.kanchi.start("control")
        with stage.worker("three", ("from", "to")) as three:
            rig.wait_for(lambda: stage.active_queues(three) == ["to"], 30, "the new one is told")
            two.stop()
            status, answer = stage.act("POST", "/queues/from/resume", {})
            assert status == 200, answer
            assert {one.hostname, three.hostname} <= set(answer["confirmed"])
            rig.wait_for(lambda: stage.active_queues(one) == ["from", "to"] and
                         stage.active_queues(three) == ["from", "to"], 20, "they consume it again")
            rig.wait_for(lambda: len(stage.noted()) >= 4, 30, "what waited has run")
    assert stage.queue("from")["paused"] is None
    status, problem = stage.act("POST", "/queues/from/resume", {})
    assert status == 409, problem

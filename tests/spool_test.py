"""Storage away, ingestion killed: what was published is what is stored."""

import base64
import json
import threading
import time

import kombu
import pytest
import redis as redis_client
import rig

SERVICES = ("storage", "ingestion", "gateway")
BATCH = 50  # events in one message, as workers send them
BEGUN = time.time()


def events(start, count):
    return [{"type": "task-received", "uuid": f"load-{i}", "hostname": "load@host", "pid": 1,
             "clock": i, "timestamp": BEGUN + i / 1e6, "utcoffset": 0, "name": "load.task",
             "args": "(1, 2)", "kwargs": "{}", "retries": 0} for i in range(start, start + count)]


class Publisher:
    """Publishes events as a worker does, many to a message, from a thread of its own."""

    def __init__(self, url, count, per_second=None, first=0):
        self.url, self.count, self.per_second, self.first = url, count, per_second, first
        self.sent = 0
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            publish = self._redis() if self.url.startswith("redis") else self._rabbitmq()
            begun = time.monotonic()
            while self.sent < self.count:
                publish(events(self.first + self.sent, min(BATCH, self.count - self.sent)))
                self.sent = min(self.sent + BATCH, self.count)
                if self.per_second:
                    ahead = begun + self.sent / self.per_second - time.monotonic()
                    time.sleep(max(0, ahead))
        except Exception as failure:  # told by join
            self.failure = failure

    def _redis(self):
        client = redis_client.Redis.from_url(self.url)
        channel = f"/{self.url.rsplit('/', 1)[1]}.celeryev/task.multi"

        def publish(batch):
            body = base64.b64encode(json.dumps(batch).encode()).decode()
            client.publish(channel, json.dumps({
                "body": body, "content-encoding": "utf-8", "content-type": "application/json",
                "headers": {}, "properties": {"body_encoding": "base64", "delivery_tag": "x"}}))
        return publish

    def _rabbitmq(self):
        connection = kombu.Connection(self.url)
        producer = connection.Producer()

        def publish(batch):
            producer.publish(json.dumps(batch), exchange="celeryev", routing_key="task.multi",
                             content_type="application/json", content_encoding="utf-8",
                             delivery_mode=1)
        return publish

    def join(self):
        self.thread.join(120)
        assert not self.thread.is_alive() and self.failure is None, f"{self.failure!r}"


def source_of(kanchi):
    return kanchi.get("/system")["ingestion"].get("default", {})


def wait_connected(kanchi, name="ingestion", times=1):
    process = kanchi.processes[name]
    process.wait_for(lambda: process.log().count("broker.connected") >= times, timeout=30,
                     what="a connection to the broker")


def begin(kanchi, *services):
    for service in services:
        kanchi.start(service)
    wait_connected(kanchi)


def spool_files(kanchi):
    return list((kanchi.data / "spool").rglob("*.spool"))


def wait_stored(kanchi, count, timeout=120):
    """Each once: as many tasks as events stored, and nothing lost."""
    rig.wait_for(lambda: kanchi.get("/system")["storage"]["tasks"] >= count, timeout=timeout,
                 what=f"{count} tasks")
    rig.wait_for(lambda: source_of(kanchi)["backlog_events"] == 0, timeout=timeout,
                 what="an empty backlog")
    system = kanchi.get("/system")
    source = system["ingestion"]["default"]
    assert system["storage"]["tasks"] == count
    assert source["events_stored"] == count
    assert source["events_lost"] == 0
    return source


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request):
    return request.getfixturevalue(f"{request.param}_url")


def test_storage_away_and_ingestion_restarted_lose_nothing(folder, broker_url):
    with rig.Kanchi(folder / "kanchi", [broker_url]) as kanchi:
        begin(kanchi, "ingestion")
        publisher = Publisher(broker_url, 20_000)
        publisher.join()
        rig.wait_for(lambda: spool_files(kanchi), what="a spool on disk")
        assert kanchi.processes["ingestion"].stop() == 0
        assert "kept=\"in the spool\"" in kanchi.processes["ingestion"].log()
        kanchi.start("ingestion")
        kanchi.start("storage")
        kanchi.start("gateway")
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        source = wait_stored(kanchi, 20_000)
        assert source["spool_events"] == 0 and source["spool_bytes"] == 0
        assert source["spool_max"] > 0
        assert not spool_files(kanchi)


def test_storage_that_is_killed_under_load_loses_nothing(folder, broker_url):
    with rig.Kanchi(folder / "kanchi", [broker_url]) as kanchi:
        begin(kanchi, *SERVICES)
        publisher = Publisher(broker_url, 30_000, per_second=10_000)
        rig.wait_for(lambda: publisher.sent > 5_000, what="load")
        kanchi.processes["storage"].kill()
        rig.wait_for(lambda: spool_files(kanchi), what="a spool on disk")
        rig.wait_for(lambda: publisher.sent > 20_000, what="more load")
        kanchi.start("storage")
        publisher.join()
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        wait_stored(kanchi, 30_000)


def test_what_is_on_disk_survives_a_killed_ingestion(folder, redis_url):
    """On Redis nobody else has it: what was published well before the kill is on disk."""
    with rig.Kanchi(folder / "kanchi", [redis_url]) as kanchi:
        begin(kanchi, "ingestion")
        Publisher(redis_url, 10_000).join()
        size = -1
        def settled():
            nonlocal size
            before, size = size, sum(path.stat().st_size for path in spool_files(kanchi))
            return size > 10_000 * 20 and size == before
        rig.wait_for(settled, interval=0.6, what="all of it on disk")
        kanchi.processes["ingestion"].kill()
        begin(kanchi, *SERVICES)
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        wait_stored(kanchi, 10_000)


def test_rabbitmq_and_ingestion_killed_again_and_again(folder, rabbitmq_url):
    with rig.Kanchi(folder / "kanchi", [rabbitmq_url]) as kanchi:
        begin(kanchi, *SERVICES)
        publisher = Publisher(rabbitmq_url, 40_000, per_second=8_000)
        for round_ in range(1, 6):
            rig.wait_for(lambda: publisher.sent > 6_000 * round_, what="load")
            kanchi.processes["ingestion"].kill()
            kanchi.start("ingestion")
            wait_connected(kanchi, times=round_ + 1)
        publisher.join()
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        wait_stored(kanchi, 40_000)


def test_two_ingestions_on_one_redis_and_either_may_be_killed(folder, redis_url):
    with rig.Kanchi(folder / "kanchi", [redis_url]) as kanchi:
        begin(kanchi, *SERVICES)
        second = ("ingestion", "--ingestion.instance", "second")
        kanchi.start(*second, name="ingestion-2")
        wait_connected(kanchi, "ingestion-2")
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        publisher = Publisher(redis_url, 24_000, per_second=8_000)
        rig.wait_for(lambda: publisher.sent > 8_000, what="load")
        kanchi.processes["ingestion"].kill()
        rig.wait_for(lambda: publisher.sent > 16_000, what="more load")
        kanchi.start("ingestion")
        publisher.join()
        wait_connected(kanchi, "ingestion", times=2)
        # only the second one had what came while the first was away
        wait_stored(kanchi, 24_000)
        publisher = Publisher(redis_url, 16_000, per_second=8_000, first=24_000)
        rig.wait_for(lambda: publisher.sent > 8_000, what="load")
        kanchi.processes["ingestion-2"].kill()
        publisher.join()
        wait_stored(kanchi, 40_000)


def test_a_full_spool_is_shown_with_what_it_cost(folder, redis_url):
    with rig.Kanchi(folder / "kanchi", [redis_url],
                    config={"ingestion": {"spool_max": "1MB", "memory_max": "4MB"}}) as kanchi:
        begin(kanchi, *SERVICES)
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        kanchi.processes["storage"].kill()
        Publisher(redis_url, 30_000, per_second=10_000).join()
        process = kanchi.processes["ingestion"]
        process.wait_for(lambda: "events.lost" in process.log(), what="a loss")
        kanchi.start("storage")
        rig.wait_for(kanchi.is_ready, timeout=30, what="the gateway")
        rig.wait_for(lambda: source_of(kanchi)["events_stored"] + source_of(kanchi)["events_lost"]
                     == 30_000, timeout=60, what="what was published, stored or lost")
        source = source_of(kanchi)
        assert source["events_lost"] > 0
        rig.wait_for(lambda: source_of(kanchi)["spool_dropped"] == source["events_lost"],
                     what="the same count of both")
        assert source_of(kanchi)["spool_max"] == 1 << 20
        codes = {finding["code"] for finding in kanchi.get("/system")["findings"]}
        assert "spool_dropped" in codes


def test_two_with_the_same_folder_is_one_sentence(folder, redis_url):
    with rig.Kanchi(folder / "kanchi", [redis_url]) as kanchi:
        begin(kanchi, "ingestion")
        process = kanchi.start("ingestion", name="ingestion-2")
        rig.wait_for(lambda: not process.running, timeout=10, what="the end")
        assert process.exit_code == 1
        lines = process.log().strip().splitlines()
        assert len(lines) == 1 and "ingestion.spool" in lines[0] and "in use" in lines[0]

"""Kanchi under load, while everything around it and in it is killed, stopped, cut and slowed.

After each round: every event that the broker took for us is stored once; what is missing
lies in a gap that is shown; statuses, counters and rollups are those of the stored events.
"""

import os
import pathlib
import signal
import time

import pytest
import redis

from rig.kanchi import tls_bus
from torture.check import Database
from torture.publisher import IGNORED
from torture.stage import SERVICES, Stage

CASES = [("rabbitmq", "postgresql"), ("redis", "sqlite"), ("rabbitmq", "sqlite"),
         ("redis", "postgresql")]
ROUND = 5  # kills between two checks


def long_only(*values):
    return pytest.param(*values, marks=pytest.mark.long)


def cases():
    """The last two are for the long run."""
    return [pytest.param(*case, id="-".join(case), marks=pytest.mark.long if number > 1 else [])
            for number, case in enumerate(CASES)]


def report(stage, figures):
    print(f"seed {stage.seed}: {stage.kills} kills, {figures}, MB {stage.memory()}")


def rounds(stage, kills, act, may_lose):
    figures = None
    while stage.kills < kills:
        until = min(kills, stage.kills + ROUND)
        while stage.kills < until:
            act()
            stage.some_traffic()
        figures = stage.settle(may_lose)
        report(stage, figures)
    return figures


@pytest.mark.parametrize("broker, database", cases())
def test_kills_of_services_lose_nothing(folder, seed, kills_of, broker, database):
    """All services on RabbitMQ; on Redis all but the only ingestion."""
    services = ["storage", "storage", "aggregation", "control", "gateway"]
    if broker == "rabbitmq":
        services += ["ingestion", "ingestion"]
    with Stage(folder, broker, database, seed) as stage:
        rounds(stage, kills_of(0.1, 3), lambda: stage.kill(stage.random.choice(services)), False)


def test_kills_of_services_that_talk_over_tls_lose_nothing(folder, seed, kills_of):
    """A connection that breaks in the middle of a message can leave nng stuck."""
    with Stage(folder, "rabbitmq", "sqlite", seed + 10, config={"bus": tls_bus(folder)}) as stage:
        rounds(stage, kills_of(0.1, 3), lambda: stage.kill(stage.random.choice(SERVICES)), False)


@pytest.mark.parametrize("broker, database", cases())
def test_what_anything_at_random_loses_is_shown(folder, seed, kills_of, broker, database):
    """On RabbitMQ nothing: it keeps what is persistent. On Redis what a gap covers."""
    with Stage(folder, broker, database, seed + 1) as stage:
        pick = stage.random.choice
        acts = [lambda: stage.kill(pick(list(stage.wanted)))] * 6
        acts += [lambda: stage.freeze(pick(list(stage.wanted))), stage.kill_broker,
                 stage.freeze_broker,
                 lambda: stage.disturb(stage.broker_proxy, pick(stage.DISTURBANCES))]
        if stage.postgres:
            acts += [stage.kill_postgres, stage.freeze_postgres,
                     lambda: stage.disturb(stage.database_proxy, pick(stage.DISTURBANCES))]
        rounds(stage, kills_of(0.14, 4), lambda: pick(acts)(), broker == "redis")


@pytest.mark.parametrize("before", ("connected", long_only("storage is away")))
def test_what_a_killed_ingestion_had_or_missed_on_redis_is_shown_as_a_gap(folder, seed, before):
    with Stage(folder, "redis", "sqlite", seed + 2) as stage:
        stage.traffic(1000)
        if before != "connected":
            stage.held.add("storage")
            stage.kanchi.processes["storage"].kill()
            stage.traffic(3000)
        stage.held.add("ingestion")
        stage.kanchi.processes["ingestion"].kill()
        stage.traffic(3000)
        stage.held.clear()
        figures = stage.settle(may_lose=True)
        assert figures["to_nobody"] > 0 and figures["gaps"] == 1
        report(stage, figures)


@pytest.mark.long
def test_a_subscriber_that_stood_still_shows_all_that_redis_dropped(folder, seed):
    """Redis cuts it off long before it learns of that."""
    with Stage(folder, "redis", "sqlite", seed + 3, rate=4000,
               broker_options=("--client-output-buffer-limit", "pubsub 1mb 1mb 1")) as stage:
        stage.traffic(1000)
        stage.kanchi.processes["ingestion"].send(signal.SIGSTOP)
        stage.wait(lambda: stage.publisher.count(IGNORED) > 2000, "Redis has cut it off")
        stage.kanchi.processes["ingestion"].send(signal.SIGCONT)
        figures = stage.settle(may_lose=True)
        report(stage, figures)


@pytest.mark.long
def test_a_connection_that_lives_on_at_the_database_alone_is_waited_for(folder, seed):
    """Its lock says that another process numbers the commits: nothing is written without it."""
    with Stage(folder, "redis", "postgresql", seed + 4) as stage:
        for _ in range(3):
            stage.traffic(2000)
            stage.database_proxy.orphan()
            stage.wait(lambda: "another storage process" in stage.kanchi.processes["storage"].log(),
                       "storage says what it waits for")
            stage.traffic(2000)
            stage.database_proxy.heal()
            figures = stage.settle()
        report(stage, figures)


@pytest.mark.long
def test_either_of_two_ingestions_on_redis_may_be_killed(folder, seed, kills_of):
    with Stage(folder, "redis", "sqlite", seed + 5, ingestions=2) as stage:
        client = redis.Redis(port=stage.broker.port)

        def both_listen():
            return sum(one["psub"] != "0" for one in client.client_list(_type="pubsub")) == 2

        def complete_since(at):
            with Database(stage.check_url) as database:
                return database.rows("SELECT complete_to FROM source_counters")[0][0] > at

        for _ in range(kills_of(0.1, 2)):
            stage.wait(both_listen, "both ingestions listen")
            now = time.time() * 1e6
            stage.wait(lambda now=now: complete_since(now), "what only one of them had is stored")
            stage.kill(stage.random.choice(("ingestion", "ingestion-2")))
            stage.some_traffic()
        stage.wait(both_listen, "both ingestions listen")
        figures = stage.settle()
        report(stage, figures)
        assert figures["gaps"] == 0 and figures["to_nobody"] == 0


@pytest.fixture
def small_disk(folder):
    """16 MB of memory as a file system."""
    path = folder / "small"
    path.mkdir()
    if os.getuid() != 0 or os.system(f"mount -t tmpfs -o size=16m tmpfs {path} 2>/dev/null"):
        pytest.skip("only root can mount a small file system")
    yield path
    os.system(f"umount -l {path}")


def fill(path):
    """Takes all that is left, to the last byte."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass


@pytest.mark.parametrize("broker, rounds", (("redis", 1), long_only("redis", 3), long_only("rabbitmq", 3)))
def test_a_full_disk_refuses_batches_and_loses_nothing(folder, seed, small_disk, broker, rounds):
    data = small_disk / "data"
    with Stage(folder, broker, "sqlite", seed + 6, data=data) as stage:
        for number in range(rounds):
            stage.traffic(2000)
            fill(small_disk / "ballast")
            stage.wait(lambda: any(one["name"] == "storage" and one["state"] == "degraded"
                                   for one in stage.kanchi.get("/system")["services"]),
                       "storage says that it cannot write")
            stage.wait(lambda: not stage.kanchi.is_ready(),
                       "the gateway says that it is not ready")
            assert any(one["code"] == "disk_full" and str(data) in one["text"]
                       for one in stage.kanchi.get("/system")["findings"])
            stage.traffic(2000)
            if number != 1:
                stage.kill("storage")  # starts anew on a full disk
            (small_disk / "ballast").unlink()
            stage.wait(lambda: stage.kanchi.is_ready(), "it is ready again")
            figures = stage.settle()
        report(stage, figures)


@pytest.mark.long
def test_the_launcher_and_what_it_runs_may_be_killed(folder, seed, kills_of):
    """A new one takes over at once, while the services of the old one still end."""
    with Stage(folder, "rabbitmq", "sqlite", seed + 7, launcher=True) as stage:
        for _ in range(kills_of(0.04, 1)):
            stage.kill_child(stage.random.choice(SERVICES))
            stage.some_traffic()
            stage.kill_launcher()
            stage.some_traffic()
            figures = stage.settle()
        report(stage, figures)


FAKETIME = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@pytest.mark.skipif(not FAKETIME, reason="the package faketime is not installed")
@pytest.mark.long
@pytest.mark.parametrize("broker", ("redis", "rabbitmq"))
def test_a_clock_that_jumps_by_an_hour_changes_nothing(folder, seed, broker):
    offset = folder / "offset"
    offset.write_text("+0")
    env = {"LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": offset, "FAKETIME_NO_CACHE": 1,
           "FAKETIME_DONT_FAKE_MONOTONIC": 1}
    with Stage(folder, broker, "sqlite", seed + 8, release=True, env=env) as stage:
        stage.publisher.times_are_corrected = True  # to the clock of the services
        for jump in ("+3600", "+0", "-3600", "+0"):
            stage.note(f"clock {jump}")
            offset.write_text(jump)
            stage.traffic(3000)
            figures = stage.settle()
        stage.wait(lambda: {one["status"] for one in stage.kanchi.get("/workers")["items"]} == {"online"},
                   "all workers are online")
        assert figures["gaps"] == 0
        report(stage, figures)


@pytest.mark.long
def test_a_million_events_on_rabbitmq_while_ingestion_is_killed_ten_times(folder, seed):
    with Stage(folder, "rabbitmq", "postgresql", seed + 9, rate=1e9, release=True,
               persistent=False) as stage:
        for _ in range(10):
            stage.traffic(stage.random.randrange(80_000, 100_000), timeout=600)
            stage.kill("ingestion")
        stage.wait(lambda: stage.publisher.events >= 1_000_000, "a million events", 600)
        figures = stage.settle(timeout=300)
        report(stage, figures)

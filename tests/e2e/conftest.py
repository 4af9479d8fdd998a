"""Servers and recordings for the whole road. KANCHI_E2E_RELEASE=1 takes the release build."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import rig  # noqa: E402

from e2e import road  # noqa: E402

road.RELEASE = os.environ.get("KANCHI_E2E_RELEASE", "") not in ("", "0")


@pytest.fixture(scope="session")
def patient_redis(session_folder):
    """A Redis that cuts off no subscriber: Celery's receiver in Python is slow."""
    with rig.Redis(session_folder / "patient-redis",
                   options=("--databases", "1000", "--client-output-buffer-limit", "pubsub 0 0 0")) as one:
        yield one


@pytest.fixture(scope="session")
def database_number(_numbers=iter(range(1, 1000))):
    return lambda: next(_numbers)


@pytest.fixture(scope="session")
def new_broker(request, patient_redis, database_number):
    """new_broker("redis" or "rabbitmq"): the URL of an empty one."""
    def make(kind):
        number = database_number()
        if kind == "redis":
            return patient_redis.url(number)
        server = request.getfixturevalue("rabbitmq_server")
        server.add_vhost(f"e2e/{number}")
        return server.url(f"e2e/{number}")
    return make


@pytest.fixture(scope="session")
def new_backend(patient_redis, database_number):
    """The URL of an empty result backend."""
    return lambda: patient_redis.url(database_number())


@pytest.fixture(scope="session")
def new_database(request):
    """new_database("sqlite" or "postgresql"): what Kanchi's storage.database is to be."""
    def make(kind, _numbers=iter(range(1, 1000))):
        if kind == "sqlite":
            return None
        return request.getfixturevalue("postgres_server").create_database(f"e2e{next(_numbers)}")
    return make


def show_logs(folder):
    for log in sorted(pathlib.Path(folder).rglob("*.log")):
        tail = "\n".join(line[:500] for line in log.read_text(errors="replace").splitlines()[-40:])
        print(f"--- {log.relative_to(folder)}\n{tail}")


class Watched:
    """Traffic that two Kanchis have watched, and what they made of it."""

    def __init__(self, recording, kanchis):
        self.recording = recording
        self.kanchis = kanchis  # database: Watcher, running


@pytest.fixture(scope="session")
def watched(session_folder, new_broker, new_backend, new_database):
    """watched(broker, ...): runs the traffic once for each set of arguments. Of two
    databases the second one's Kanchi loses each of its services once meanwhile."""
    done, running = {}, []

    def run(broker, databases=("sqlite", "postgresql"), version="main", pool="prefork"):
        key = (broker, databases, version, pool)
        if key not in done:
            folder = session_folder / "-".join((broker, version, pool))
            folder.mkdir()
            folder.chmod(0o755)
            try:
                done[key] = start(folder, broker, databases, version, pool)
            except Exception as error:
                show_logs(folder)
                done[key] = error
        if isinstance(done[key], Exception):
            raise done[key]
        return done[key]

    def start(folder, broker, databases, version, pool):
        url = new_broker(broker)
        traffic = road.Traffic(folder, url, new_backend(), version, pool)
        kanchis = {}
        for kind in databases:
            kanchis[kind] = road.Watcher(folder / kind, url, new_database(kind))
            running.append(kanchis[kind])
            kanchis[kind].start_all()
        killer = None
        if len(databases) > 1:
            victim = kanchis[databases[-1]]
            killer = road.Killer(victim, ("storage", "aggregation", "control", "gateway"))
        recording = traffic.run(killer)
        if killer:
            assert [one[1] for one in killer.killed] == ["storage", "aggregation", "control", "gateway"]
        for kanchi in kanchis.values():
            kanchi.wait_settled(len(recording.events))
        return Watched(recording, kanchis)

    yield run
    for kanchi in running:
        kanchi.stop()

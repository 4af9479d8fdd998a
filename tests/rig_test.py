"""The rig itself: servers come up, workers work, nothing stays behind."""

import os
import signal
import subprocess
import sys
import pathlib

import pytest
import rig
from rig.celery_worker import sample_environment

TESTS = pathlib.Path(__file__).parent


def run_traffic(broker_url, folder, count=30):
    subprocess.run([sys.executable, "-m", "sample_app.traffic", "--rate", "0", "--count", str(count),
                    "--seed", "1"], env=sample_environment(broker_url), cwd=folder, check=True,
                   timeout=60)


@pytest.mark.parametrize("broker, version, pool", [
    ("redis_url", "main", "prefork"), ("redis_url", "celery52", "threads"),
    ("rabbitmq_url", "main", "threads"), ("rabbitmq_url", "celery52", "prefork"),
])
def test_workers_of_both_versions_do_tasks_on_both_brokers(request, folder, broker, version, pool):
    url = request.getfixturevalue(broker)
    with rig.CeleryWorker(folder, url, version=version, pool=pool, env={"SAMPLE_PACE": 0},
                          queues=("default", "mail", "reports", "priority")) as worker:
        run_traffic(url, folder, 10)
        worker.process.wait_for(lambda: worker.process.log().count("succeeded in") >= 5)


def test_redis_speaks_tls_with_a_password(folder):
    with rig.Redis(folder / "redis", tls=True, password="p@ss/word", unix=True) as server:
        assert server.url(3).startswith("rediss://:")
        done = subprocess.run(["redis-cli", "--tls", "--cacert", server.ca, "-p", str(server.port),
                               "-a", "p@ss/word", "ping"], capture_output=True, text=True)
        assert "PONG" in done.stdout


def test_postgres_makes_databases(postgres_url, postgres_server):
    assert postgres_server.psql("SELECT 1 + 1", postgres_url.rsplit("/", 1)[1]) == "2"


def test_nothing_survives_a_killed_test_run(folder):
    script = ("import sys, time; sys.path.insert(0, sys.argv[1])\n"
              "import rig\n"
              "r = rig.Redis(sys.argv[2])\n"
              "print(r.process.pid, flush=True)\n"
              "time.sleep(60)\n")
    with subprocess.Popen([sys.executable, "-c", script, TESTS, folder / "redis"],
                          stdout=subprocess.PIPE, text=True) as run:
        pid = int(run.stdout.readline())
        os.kill(run.pid, signal.SIGKILL)
    rig.wait_for(lambda: not pathlib.Path(f"/proc/{pid}/exe").exists(), 10, "redis is gone")

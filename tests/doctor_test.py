"""`kanchi doctor` says in plain words what there is and what is missing."""

import subprocess

import pytest
import rig
from rig.kanchi import bin_folder, service_environment


def doctor(*words):
    return subprocess.run([bin_folder() / "kanchi", "doctor", "--control.reply_timeout", "2s", *words],
                          env=service_environment(), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("broker", ["redis_url", "rabbitmq_url"])
def test_a_worker_that_answers_is_named_with_what_it_lacks(request, folder, broker):
    url = request.getfixturevalue(broker)
    with rig.CeleryWorker(folder, url, name="alone", events=False, env={"SAMPLE_EVENTS": 0}):
        done = doctor("--broker", url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 worker answered: alone@kanchi-test" in done.stdout
    assert "worker_send_task_events is off: alone@kanchi-test" in done.stdout
    assert "task_send_sent_event" not in done.stdout
    assert "guest:guest" not in done.stdout


def test_a_wrong_database_number_is_told_from_the_right_one(folder, redis_server):
    with rig.CeleryWorker(folder, redis_server.url(998)):
        done = doctor("--broker", redis_server.url(999))
    assert done.returncode == 1
    assert "no worker answered" in done.stdout
    assert "workers seem to listen in other databases of this Redis: 998" in done.stdout


def test_a_broker_that_is_away_is_said():
    done = doctor("--broker", f"redis://:secret@127.0.0.1:{rig.free_port()}/0")
    assert done.returncode == 1
    assert "cannot be used" in done.stdout
    assert "secret" not in done.stdout + done.stderr

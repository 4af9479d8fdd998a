"""`kanchi doctor` says in plain words what there is and what is missing."""

import subprocess

import pytest
import rig
from rig.celery_worker import sample_environment
from rig.kanchi import bin_folder, service_environment


def doctor(*words, **env):
    return subprocess.run([bin_folder() / "kanchi", "doctor", "--control.reply_timeout", "2s", *words],
                          env=service_environment(**env), capture_output=True, text=True, timeout=60)


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


CODES = {"no_task_sent_event": "task_send_sent_event is off",
         "no_track_started": "task_track_started is off",
         "no_result_extended": "result_extended is off",
         "pickle_accepted": "messages in pickle are accepted"}
SERVICES = ("storage", "ingestion", "control", "aggregation", "gateway")


@pytest.fixture(params=["redis", "rabbitmq"])
def clinic(request, folder):
    """A broker's URL, and a Kanchi that watches it."""
    url = request.getfixturevalue(f"{request.param}_url")
    config = {"control": {"interval": "3s", "reply_timeout": "2s", "reconcile": False}}
    with rig.Kanchi(folder / "kanchi", [url], config=config) as kanchi:
        for service in SERVICES:
            kanchi.start(service)
        rig.wait_for(kanchi.is_ready, 30, "Kanchi is ready")
        yield url, kanchi


def findings(kanchi):
    return {one["code"]: one for one in kanchi.get("/system/doctor")["findings"]}


def test_each_setting_that_is_off_is_told_with_what_mends_it(folder, clinic):
    url, kanchi = clinic
    with rig.CeleryWorker(folder, url, name="bad", app="sample_app.mistaken", events=False,
                          backend_url="redis://127.0.0.1:1/0"), \
            rig.CeleryWorker(folder, url, name="good", backend_url="redis://127.0.0.1:1/0"):
        done = doctor("--broker", url)
        for code, text in CODES.items():
            assert f"{text}" in done.stdout, done.stdout
        assert "worker_send_task_events is off: bad@kanchi-test\n" in done.stdout
        assert "good@kanchi-test" not in done.stdout.split("\n", 3)[3]

        def seen():
            told = findings(kanchi)
            return set(CODES) <= set(told) and told
        told = rig.wait_for(seen, 30, "the doctor sees it too")
        for code, text in CODES.items():
            assert told[code]["subject"] == "bad@kanchi-test"
            assert told[code]["text"].startswith(text)
            assert told[code]["remedy"]
        assert "no_worker_answered" not in told
        # control has switched its events on, and the doctor knows
        rig.wait_for(lambda: "events_disabled" not in findings(kanchi), 30, "events are on")


def test_a_queue_that_nobody_consumes_is_found(folder, clinic):
    url, kanchi = clinic
    if url.startswith("amqp"):  # AMQP has no list of queues: it is known from who consumed it
        with rig.CeleryWorker(folder, url, name="gone", queues=("mail",)):
            rig.wait_for(lambda: any(one["queues"] for one in kanchi.get("/workers")["items"]), 30,
                         "the queue is known")
    with rig.CeleryWorker(folder, url, name="busy", queues=("default",)):
        send(url, "shop.mail.send")
        found = rig.wait_for(lambda: findings(kanchi).get("queue_without_consumer"), 30,
                             "the queue is found")
        assert found["subject"] == "mail" and found["text"].startswith("1 messages wait")
    assert "no_worker_answered" in findings(kanchi)


def test_a_clock_that_is_wrong_is_found(folder, clinic):
    url, kanchi = clinic
    library = subprocess.run(["faketime", "-f", "+90s", "printenv", "LD_PRELOAD"],
                             capture_output=True, text=True, check=True).stdout.strip()
    with rig.CeleryWorker(folder, url, name="early",
                          env={"LD_PRELOAD": library, "FAKETIME": "+90s"}):
        found = rig.wait_for(lambda: findings(kanchi).get("clock_skew"), 30, "the skew is found")
        assert found["subject"] == "early@kanchi-test" and "ahead" in found["text"]
        assert int(found["text"].split(" is ")[1].split()[0]) in range(85, 92)


@pytest.mark.parametrize("broker", ["redis_url", "rabbitmq_url"])
def test_workers_that_answer_in_pickle_are_told(request, folder, broker):
    url = request.getfixturevalue(broker)
    with rig.CeleryWorker(folder, url, name="old", app="sample_app.mistaken",
                          env={"MISTAKEN_SERIALIZER": "pickle"}):
        done = doctor("--broker", url)
    assert done.returncode == 1
    assert "2 of their answers are in application/x-python-serialize" in done.stdout
    assert 'Set task_serializer = "json"' in done.stdout
    assert "no worker answered" not in done.stdout


def test_workers_with_a_separator_of_their_own_answer_when_it_is_set(folder, redis_url):
    with rig.CeleryWorker(folder, redis_url, name="apart", app="sample_app.mistaken",
                          env={"MISTAKEN_SEP": ":"}):
        done = doctor("--broker", redis_url, KANCHI_BROKER_SEPARATOR=":")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 worker answered: apart@kanchi-test" in done.stdout


@pytest.mark.parametrize("broker", ["redis_url", "rabbitmq_url"])
def test_workers_with_exchanges_of_their_own_answer_when_they_are_set(request, folder, broker):
    url = request.getfixturevalue(broker)
    with rig.CeleryWorker(folder, url, name="own", app="sample_app.mistaken",
                          env={"MISTAKEN_CONTROL": "app1", "MISTAKEN_FANOUT_PREFIX": "/all."}):
        told = doctor("--broker", url)
        done = doctor("--broker", url, KANCHI_BROKER_CONTROL_EXCHANGE="app1",
                      KANCHI_BROKER_FANOUT_PREFIX="/all.")
    assert told.returncode == 1 and "control_exchange" in told.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 worker answered: own@kanchi-test" in done.stdout


def test_other_steps_of_priorities_are_told_until_they_are_set(folder, redis_url):
    with rig.CeleryWorker(folder, redis_url, name="steep", app="sample_app.mistaken",
                          env={"MISTAKEN_STEPS": "10"}):
        told = doctor("--broker", redis_url)
        quiet = doctor("--broker", redis_url, KANCHI_BROKER_PRIORITY_STEPS="0,1,2,3,4,5,6,7,8,9")
    assert "other priority_steps than Kanchi: steep@kanchi-test" in told.stdout, told.stdout
    assert "1 worker answered" in quiet.stdout and "priority_steps" not in quiet.stdout, quiet.stdout


@pytest.mark.parametrize("clinic", ["redis"], indirect=True)
def test_workers_that_are_seen_but_listen_elsewhere_are_told_apart(folder, clinic):
    url, kanchi = clinic
    with rig.CeleryWorker(folder, url, name="far", app="sample_app.mistaken",
                          env={"MISTAKEN_FANOUT": "1"}):
        found = rig.wait_for(
            lambda: (lambda one: "1 is online" in one["text"] and one)(
                findings(kanchi)["no_worker_answered"]), 30, "the finding")
        assert "fanout_prefix" in found["remedy"]


def send(url, name):
    subprocess.run([rig.python_of(), "-c",
                    f"from sample_app.app import app; app.send_task({name!r}, args=['x'])"],
                   check=True, timeout=60, env=sample_environment(url))

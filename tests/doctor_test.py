"""`kanchi doctor` says in plain words what there is and what is missing."""

import http.server
import pathlib
import re
import socket
import socketserver
import ssl
import subprocess
import threading

import pytest
import redis
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
    assert "1 worker replied: alone@kanchi-test" in done.stdout
    assert "worker_send_task_events is off: alone@kanchi-test" in done.stdout
    assert "task_send_sent_event" not in done.stdout
    assert "guest:guest" not in done.stdout


def test_a_wrong_database_number_is_told_from_the_right_one(folder, redis_server):
    with rig.CeleryWorker(folder, redis_server.url(998)):
        done = doctor("--broker", redis_server.url(999))
    assert done.returncode == 1
    assert "no worker replied" in done.stdout
    assert "workers seem to listen in other databases of this Redis: 998" in done.stdout


def test_a_broker_that_is_away_is_said():
    done = doctor("--broker", f"redis://:secret@127.0.0.1:{rig.free_port()}/0")
    assert done.returncode == 1
    assert "unavailable" in done.stdout
    assert "secret" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def strict_redis(session_folder):
    """A Redis with users; with a password for the default one."""
    server = rig.Redis(session_folder / "strict", password="top")
    yield server
    server.stop()


def acl_rules():
    """The rules of docs/brokers.md, by what they are for."""
    text = (pathlib.Path(__file__).parents[1] / "docs/brokers.md").read_text()
    rows = re.findall(r"^- (.*?): `(.*)`$", text.split("<!-- acl -->")[1].split("<!-- /acl -->")[0],
                      re.M)
    return {name: rules.split() for name, rules in rows}


def set_user(server, rules):
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        for words in (["AUTH", "top"], ["ACL", "SETUSER", "k", "reset", "on", ">pw", *rules]):
            sock.sendall("".join([f"*{len(words)}\r\n", *(f"${len(w)}\r\n{w}\r\n" for w in words)])
                         .encode())
            assert sock.recv(1000).startswith(b"+OK"), words
    return f"redis://k:pw@127.0.0.1:{server.port}/0"


def test_the_documented_rights_on_redis_are_enough_and_each_is_needed(folder, strict_redis):
    rules = acl_rules()
    assert len(rules) >= 5
    every = [word for row in rules.values() for word in row]
    with rig.CeleryWorker(folder, strict_redis.url(), name="guarded", queues=("celery",)):
        url = set_user(strict_redis, every)
        done = doctor("--broker", url)
        assert done.returncode == 0 and "guarded@kanchi-test" in done.stdout, done.stdout
        assert "NOPERM" not in done.stdout + done.stderr
        for missing, named in (("+time", "'time'"), ("+psubscribe", None), ("+scan", "'scan'"),
                               ("+llen", "'llen'"), ("+publish", "'publish'"),
                               ("~*.reply.celery.pidbox*", "(DEL "),
                               ("&/0.celery.pidbox", "(PUBLISH /0.celery.pidbox)")):
            url = set_user(strict_redis, [word for word in every if word != missing])
            done = doctor("--broker", url)
            if named:
                assert named in done.stdout and "NOPERM" in done.stdout, (missing, done.stdout)
                assert "ACL SETUSER" in done.stdout
    url = set_user(strict_redis, every)
    config = {"control": {"interval": "2s", "reply_timeout": "1s"}}
    with rig.CeleryWorker(folder, strict_redis.url(), name="guarded", queues=("celery",)), \
            rig.Kanchi(folder / "kanchi", [url], config=config) as kanchi:
        for service in SERVICES:
            kanchi.start(service)
        rig.wait_for(kanchi.is_ready, 30, "Kanchi is ready")
        subprocess.run([rig.python_of(), "-c",
                        "from sample_app.app import app; app.send_task('shop.echo', args=[1], "
                        "queue='celery')"], check=True, timeout=60,
                       env=sample_environment(strict_redis.url()))
        rig.wait_for(lambda: [w for w in kanchi.get("/workers")["items"] if w["pool"]], 30,
                     "the worker has answered")
        rig.wait_for(lambda: kanchi.get("/tasks")["items"], 30, "the task is there")
        assert not [one for one in kanchi.get("/system")["findings"]
                    if "NOPERM" in one["text"]]
        set_user(strict_redis, [word for word in every if word not in ("+time", "+scan")])
        for right in ("'time'", "'scan'"):
            found = rig.wait_for(
                lambda right=right: next((one for one in kanchi.get("/system")["findings"]
                                          if "NOPERM" in one["text"] and right in one["text"]), None),
                30, f"the finding of {right}")
            assert found["code"] == "access_refused" and "ACL SETUSER" in found["remedy"]


def test_a_redis_cluster_is_said_to_be_one(folder):
    # its second port is otherwise the first one and 10,000, which may be taken
    server = rig.Redis(folder / "cluster", options=("--cluster-enabled", "yes",
                                                    "--cluster-port", str(rig.free_port())))
    try:
        done = doctor("--broker", server.url())
        with rig.Kanchi(folder / "kanchi", [server.url()]) as kanchi:
            for service in SERVICES:
                kanchi.start(service)
            rig.wait_for(kanchi.is_ready, 30, "Kanchi is ready")
            found = rig.wait_for(
                lambda: next((one for one in kanchi.get("/system")["findings"]
                              if one["code"] == "redis_cluster"), None), 30, "the finding")
            # control may have told it before ingestion knows
            state = rig.wait_for(
                lambda: (one := kanchi.get("/system")["ingestion"]["default"])["error"] and one,
                30, "ingestion says why")
    finally:
        server.stop()
    assert done.returncode == 1 and "Celery does not run on Redis Cluster" in done.stdout
    assert "Celery does not run on Redis Cluster" in found["remedy"]
    assert state["state"] != "connected" and "cluster" in state["error"]


class OldRedis(socketserver.ThreadingTCPServer):
    """Passes everything on to a Redis, but answers AUTH as versions before 6 do."""
    daemon_threads = True

    def __init__(self, port):
        self.behind = port
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.create_connection(("127.0.0.1", self.server.behind)) as behind:
                while data := self.request.recv(65536):
                    if data.startswith(b"*3\r\n$4\r\nAUTH"):
                        self.request.sendall(
                            b"-ERR wrong number of arguments for 'auth' command\r\n")
                    elif data.startswith(b"*2\r\n$4\r\nAUTH"):
                        self.request.sendall(b"+OK\r\n" if b"$2\r\npw\r\n" in data
                                             else b"-ERR invalid password\r\n")
                    else:
                        behind.sendall(data)
                        self.request.sendall(behind.recv(1 << 20))


def test_a_redis_without_users_takes_the_password_alone(redis_server):
    with OldRedis(redis_server.port) as old:
        address = f"127.0.0.1:{old.server_address[1]}/997"
        right, wrong = (doctor("--broker", f"redis://k:{password}@{address}")
                        for password in ("pw", "other"))
        old.shutdown()
    assert "connected" in right.stdout and "no worker replied" in right.stdout
    assert "unavailable: ERR invalid password" in wrong.stdout
    assert "Check the user and password" in wrong.stdout


CODES = {"no_task_sent_event": "task_send_sent_event is off",
         "no_track_started": "task_track_started is off",
         "no_result_extended": "result_extended is off",
         "pickle_accepted": "pickle messages are accepted"}
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
        assert found["severity"] == "error"
        assert found["subject"] == "mail" and found["text"].startswith("1 messages are waiting")
    assert "no_worker_answered" in findings(kanchi)


def test_a_clock_that_is_wrong_is_found(folder, clinic):
    url, kanchi = clinic
    with rig.CeleryWorker(folder, url, name="early", clock="+90"):
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
    assert "2 replies are in application/x-python-serialize" in done.stdout
    assert 'Set task_serializer = "json"' in done.stdout
    assert "no worker replied" not in done.stdout


def test_workers_with_a_separator_of_their_own_answer_when_it_is_set(folder, redis_url):
    with rig.CeleryWorker(folder, redis_url, name="apart", app="sample_app.mistaken",
                          env={"MISTAKEN_SEP": ":"}):
        done = doctor("--broker", redis_url, KANCHI_BROKER_SEPARATOR=":")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 worker replied: apart@kanchi-test" in done.stdout


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
    assert "1 worker replied: own@kanchi-test" in done.stdout


@pytest.mark.parametrize("broker", ["redis_url", "rabbitmq_url"])
def test_workers_with_exchanges_of_their_own_are_watched_and_commanded(request, folder, broker):
    url = request.getfixturevalue(broker)
    own = {"MISTAKEN_CONTROL": "app1", "MISTAKEN_FANOUT_PREFIX": "/all."}
    with rig.Kanchi(folder / "kanchi", [url],
                    env={"KANCHI_BROKER_CONTROL_EXCHANGE": "app1",
                         "KANCHI_BROKER_FANOUT_PREFIX": "/all."}) as kanchi, \
            rig.CeleryWorker(folder, url, name="own", app="sample_app.mistaken", env=own):
        kanchi.up()
        worker = rig.wait_for(
            lambda: (lambda one: one["pool"] and one["queues"] and one)(
                kanchi.get("/workers/own@kanchi-test")), 30, "pool and queues are known")
        assert worker["status"] == "online"
        answer = kanchi.get("/inspect/ping", worker="own@kanchi-test", timeout=10)
        assert [one["worker"] for one in answer["replies"]] == ["own@kanchi-test"]
        send(url, "shop.mail.send")
        rig.wait_for(lambda: kanchi.get("/tasks")["items"], 30, "an event of a task")


def test_other_steps_of_priorities_are_told_until_they_are_set(folder, redis_url):
    with rig.CeleryWorker(folder, redis_url, name="steep", app="sample_app.mistaken",
                          env={"MISTAKEN_STEPS": "10"}):
        told = doctor("--broker", redis_url)
        quiet = doctor("--broker", redis_url, KANCHI_BROKER_PRIORITY_STEPS="0,1,2,3,4,5,6,7,8,9")
    assert "differ from Kanchi's: steep@kanchi-test" in told.stdout, told.stdout
    assert "1 worker replied" in quiet.stdout and "priority_steps" not in quiet.stdout, quiet.stdout


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


def test_a_master_that_becomes_a_replica_is_a_finding_until_it_is_one_again(folder):
    config = {"control": {"interval": "1s", "reply_timeout": "1s"}}
    call = {"name": "x.y", "queue": "mail", "unregistered": True}
    with rig.Redis(folder / "redis") as server, \
            rig.Kanchi(folder / "kanchi", [server.url()], config=config) as kanchi, \
            redis.Redis.from_url(server.url()) as client:
        for service in SERVICES:
            kanchi.start(service)
        rig.wait_for(kanchi.is_ready, 30, "Kanchi is ready")
        # 503 until control listens: nothing was sent
        rig.wait_for(lambda: kanchi.ask("POST", "/tasks", call)[0] == 202, 30, "control is there")
        client.execute_command("REPLICAOF", "127.0.0.1", rig.free_port())

        def found():
            return [one for one in kanchi.get("/system")["findings"]
                    if one["code"] == "broker_readonly"]
        told = rig.wait_for(found, 30, "the finding")[0]
        assert told["severity"] == "error" and "READONLY" in told["text"], told
        assert "replica" in told["remedy"] and "master's URL" in told["remedy"], told
        status, answer = kanchi.ask("POST", "/tasks", call)
        assert status == 409 and "nothing was sent, broker: READONLY" in answer["detail"], answer
        client.execute_command("REPLICAOF", "NO", "ONE")
        rig.wait_for(lambda: not found(), 30, "no finding")
        assert kanchi.ask("POST", "/tasks", call)[0] == 202
        assert client.llen("mail") == 2


class Management(http.server.ThreadingHTTPServer):
    """The management API over TLS: a list without queues."""
    daemon_threads = True

    def __init__(self, certs):
        super().__init__(("127.0.0.1", 0), self.Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certs / "bus.pem", certs / "bus.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")  # this server ends without TLS's own end
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_):
            pass


def test_the_management_apis_certificate_is_verified_as_the_brokers(folder, rabbitmq_url):
    certs = folder / "certs"
    subprocess.run([bin_folder() / "kanchi", "certs", certs], check=True, capture_output=True,
                   env=service_environment())
    with Management(certs) as api:
        def told(host, **env):
            return doctor("--broker", rabbitmq_url, KANCHI_BROKER_MANAGEMENT_URL=
                          f"https://guest:secret@{host}:{api.server_port}/api", **env).stdout
        said = told("localhost")
        assert "management API: TLS: the certificate is not trusted" in said, said
        assert "Set tls_ca" in said and "secret" not in said, said
        for env in ({"KANCHI_BROKER_TLS_VERIFY": "false"},
                    {"KANCHI_BROKER_TLS_CA": certs / "ca.pem"}):
            said = told("localhost", **env)
            assert "no worker replied" in said and "management API:" not in said, said
        api.shutdown()

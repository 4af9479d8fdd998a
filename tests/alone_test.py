"""Each service alone, as in a container: settings by environment, secrets by file, JSON
lines on standard output, and a health that tells the truth."""

import json
import re
import subprocess
import urllib.error
import urllib.request

import pytest
import rig
from rig.kanchi import bin_folder, service_environment, tls_bus

SERVICES = ("storage", "ingestion", "aggregation", "control", "gateway")


class Alone:
    """One service without a file of configuration; standard output in NAME.log."""

    def __init__(self, folder, service, environment, name=None):
        self.port = rig.free_port()
        self.name = name or service
        self.stderr = folder / f"{self.name}.stderr"
        dashboard = folder / "dashboard"
        dashboard.mkdir(exist_ok=True)
        (dashboard / "index.html").write_text("<!doctype html><title>Kanchi</title>")
        command = f'exec "$0" 2>>"{self.stderr}"'
        self.process = rig.Process(
            ["sh", "-c", command, bin_folder() / f"kanchi-{service}"], f"kanchi-{self.name}",
            folder / f"{self.name}.log", cwd=folder, stop_timeout=20,
            env={**service_environment(), "KANCHI_HEALTH_LISTEN": f"127.0.0.1:{self.port}",
                 "KANCHI_LOG_FORMAT": "json", "KANCHI_LOG_OUTPUT": "stdout",
                 "KANCHI_GATEWAY_STATIC_DIR": str(dashboard), **environment})

    def ask(self, path):
        """Status and text; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self):
        self.process.wait_for(lambda: self.ask("/readyz")[0] == 200, what="ready")

    def wait_unready(self, part):
        self.process.wait_for(lambda: part in self.ask("/readyz")[1], what=f"unready: {part}")
        assert self.ask("/readyz")[0] == 503
        assert self.ask("/healthz") == (200, "ok\n")

    def stop(self):
        """Asks it to end; it must do so by itself, with 0 and nothing on standard error."""
        self.process.send(15)
        assert self.process.wait(20) == 0
        assert self.stderr.read_text() == ""
        for line in self.process.log().splitlines():
            assert {"time", "level", "service", "event"} <= json.loads(line).keys()


def bus(folder):
    """Addresses on ports of our own, in TLS with certificates that kanchi certs has made."""
    return {"KANCHI_DATA": str(folder / "data"),
            **{f"KANCHI_BUS_{key.upper()}": value for key, value in tls_bus(folder).items()}}


@pytest.fixture
def start(folder):
    """Starts a service, and ends what the test has not."""
    started = []

    def run(service, environment, **options):
        started.append(Alone(folder, service, environment, **options))
        return started[-1]
    yield run
    for one in reversed(started):
        one.process.stop()
        text = one.stderr.read_text() if one.stderr.exists() else ""
        assert not rig.kanchi.SANITIZER.search(text + one.process.log()), text


def nowhere():
    return {"KANCHI_BROKER_URL": f"redis://127.0.0.1:{rig.free_port()}/0",
            "KANCHI_STORAGE_DATABASE": f"postgresql://u:p@127.0.0.1:{rig.free_port()}/d",
            "KANCHI_STORAGE_DATABASE_WAIT": "1h",
            "KANCHI_GATEWAY_LISTEN": f"127.0.0.1:{rig.free_port()}"}


@pytest.mark.parametrize("service", SERVICES)
def test_it_waits_for_what_it_needs_says_so_and_stops_when_asked(folder, start, service):
    one = start(service, {**bus(folder), **nowhere()})
    one.process.wait_for(lambda: one.ask("/healthz")[0] == 200, what="alive")
    one.wait_unready("refused" if service == "storage" else "storage does not answer")
    one.stop()


def test_all_by_environment_with_tls_between_them_and_secrets_in_files(folder, start, redis_url,
                                                                       postgres_url):
    for name, value in (("broker", redis_url), ("database", postgres_url)):
        (folder / name).write_text(value + "\n")
    environment = {**bus(folder), "KANCHI_BROKER_URL_FILE": str(folder / "broker"),
                   "KANCHI_GATEWAY_LISTEN": f"127.0.0.1:{rig.free_port()}"}
    services = [start(name, {**environment, **({"KANCHI_STORAGE_DATABASE_FILE":
                                                str(folder / "database")}
                                               if name == "storage" else {})})
                for name in SERVICES]
    for one in services:
        one.wait_ready()
        text = one.ask("/metrics")[1]
        assert f'kanchi_build_info{{service="kanchi-{one.name}",version="' in text
        assert "\nkanchi_ready 1\n" in text
    with rig.CeleryWorker(folder, redis_url) as worker:
        worker.wait_ready()
        url = f"http://{environment['KANCHI_GATEWAY_LISTEN']}/api/v1/workers"

        def workers():
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["items"]
        rig.wait_for(workers, what="a worker")
    for one in reversed(services):
        one.stop()
        assert ":kanchi@" not in one.process.log()


def test_storage_waits_for_a_postgresql_that_has_just_started(folder, start):
    """It refuses the connection, and then already answers when it is asked whether it is away."""
    refusal = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    with rig.Postgres(folder / "postgres") as server, rig.Proxy(server.port) as proxy:
        url = server.create_database("kanchi").replace(f":{server.port}/", f":{proxy.port}/")
        proxy.answer_next(b"E" + (len(refusal) + 4).to_bytes(4, "big") + refusal)
        storage = start("storage", {**bus(folder), **nowhere(), "KANCHI_STORAGE_DATABASE":
                                    f"{url}?sslmode=disable&gssencmode=disable"})
        storage.wait_ready()
        assert "the database system is starting up" in storage.process.log()


def test_storage_waits_for_a_postgresql_that_is_away_and_says_when_it_goes(folder, start):
    with rig.Postgres(folder / "postgres") as server:
        url = server.create_database("kanchi")
        server.process.stop()
        environment = {**bus(folder), **nowhere(), "KANCHI_STORAGE_DATABASE": url}
        storage, gateway = start("storage", environment), start("gateway", environment)
        storage.wait_unready("refused")
        server.start_again()
        for one in (storage, gateway):
            one.wait_ready()
        server.process.stop()
        # somebody has to ask, as a probe of the gateway does
        probe = f"http://{environment['KANCHI_GATEWAY_LISTEN']}/readyz"

        def gateway_says_no():
            try:
                with urllib.request.urlopen(probe, timeout=5):
                    return False
            except urllib.error.HTTPError as error:
                return error.code == 503
        rig.wait_for(gateway_says_no, what="a gateway that is not ready")
        storage.wait_unready("the database does not respond")
        server.start_again()
        rig.wait_for(lambda: not gateway_says_no() and storage.ask("/readyz")[0] == 200, 30,
                     "ready again")
        storage.stop()


def test_a_database_that_refuses_is_not_awaited(folder, start, postgres_url):
    url = postgres_url.replace("kanchi:kanchi@", "kanchi:wrong-secret@")
    storage = start("storage", {**bus(folder), **nowhere(), "KANCHI_STORAGE_DATABASE": url})
    assert storage.process.wait(20) == 1
    last = json.loads(storage.process.log().splitlines()[-1])
    assert last["level"] == "error" and "password authentication failed" in last["error"]
    assert "wrong-secret" not in storage.process.log()


def test_ingestion_and_control_follow_their_broker(folder, start):
    with rig.Redis(folder / "redis") as server:
        environment = {**bus(folder), "KANCHI_BROKER_URL": server.url(0),
                       "KANCHI_CONTROL_INTERVAL": "1s"}  # control looks once in a round
        storage = start("storage", environment)
        followers = [start(name, environment) for name in ("ingestion", "control")]
        for one in (storage, *followers):
            one.wait_ready()
        server.process.stop()
        for one in followers:
            one.wait_unready("refused")
        assert storage.ask("/readyz")[0] == 200
        server.start()
        for one in followers:
            one.wait_ready()
        storage.stop()
        for one in followers:
            one.wait_unready("storage does not answer")
            one.stop()


def kanchi(*words, **environment):
    return subprocess.run([bin_folder() / "kanchi", *words], capture_output=True, text=True,
                          timeout=20, env=service_environment(**environment))


def test_kanchi_health_asks_the_service_of_this_configuration(folder, start):
    environment = {**bus(folder), "KANCHI_GATEWAY_LISTEN": f"127.0.0.1:{rig.free_port()}"}
    gateway = start("gateway", environment)
    gateway.wait_unready("storage does not answer")
    health = {"KANCHI_HEALTH_LISTEN": f"127.0.0.1:{gateway.port}"}
    done = kanchi("health", **health)
    assert (done.returncode, done.stderr) == (1, "kanchi: storage does not answer \n")
    # without an address of its own, where the gateway listens
    done = kanchi("health", KANCHI_GATEWAY_LISTEN=environment["KANCHI_GATEWAY_LISTEN"])
    assert done.returncode == 1 and "storage does not answer" in done.stderr
    storage = start("storage", environment)
    storage.wait_ready()
    gateway.wait_ready()
    assert kanchi("health", **health).returncode == 0
    done = kanchi("health", KANCHI_HEALTH_LISTEN=f"127.0.0.1:{rig.free_port()}")
    assert done.returncode == 1 and "no answer from" in done.stderr


def names_in(certificate):
    text = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-ext",
                           "subjectAltName"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"DNS:([^,\s]+)", text)


def test_certs_keep_what_is_good_and_add_what_is_missing(folder):
    certs = folder / "certs"

    def make(*names):
        done = kanchi("certs", certs, *names)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in certs.iterdir()}

    first = make("storage", "aggregation")
    assert first.keys() == {"ca.pem", "ca.key", "bus.pem", "bus.key"}
    assert all((certs / name).stat().st_mode & 0o077 == 0 for name in ("ca.key", "bus.key"))
    assert make("storage", "aggregation") == first
    assert make("aggregation") == first
    second = make("storage", "aggregation", "control-mail")
    assert names_in(certs / "bus.pem") == ["storage", "aggregation", "control-mail"]
    assert second["ca.pem"] == first["ca.pem"] and second["bus.pem"] != first["bus.pem"]
    (certs / "bus.key").write_bytes(first["bus.key"])  # no longer the one of the certificate
    assert make("storage", "aggregation", "control-mail")["bus.key"] != first["bus.key"]
    (certs / "ca.pem").write_text("torn")
    assert make("storage")["ca.pem"] != first["ca.pem"]
    subprocess.run(["openssl", "verify", "-CAfile", certs / "ca.pem", certs / "bus.pem"],
                   check=True, capture_output=True)


@pytest.mark.parametrize("words, code, part", (
    ((), 2, "Usage: kanchi certs DIR"),
    (("certs", "a,IP:127.0.0.1"), 2, "is not a valid host name"),
    (("/proc/certs",), 1, "cannot create /proc/certs"),
))
def test_certs_that_can_not_be_made_are_said(folder, words, code, part):
    done = subprocess.run([bin_folder() / "kanchi", "certs", *words], capture_output=True, text=True,
                          timeout=20, cwd=folder, env=service_environment())
    assert (done.returncode, part in done.stderr) == (code, True), done.stderr


def test_a_certificate_of_another_name_or_authority_is_refused(folder, start):
    ours, theirs = bus(folder), folder / "theirs"
    subprocess.run([bin_folder() / "kanchi", "certs", theirs], check=True, capture_output=True,
                   env=service_environment())
    storage = start("storage", ours)
    storage.wait_ready()
    good = start("gateway", {**ours, "KANCHI_GATEWAY_LISTEN": "127.0.0.1:0"}, name="good")
    good.wait_ready()
    strangers = {name: str(theirs / path) for name, path in (
        ("KANCHI_BUS_CA", "ca.pem"), ("KANCHI_BUS_CERT", "bus.pem"), ("KANCHI_BUS_KEY", "bus.key"))}
    bad = start("gateway", {**ours, **strangers, "KANCHI_GATEWAY_LISTEN": "127.0.0.1:0"}, name="bad")
    misnamed = start("gateway", {
        **ours, "KANCHI_GATEWAY_LISTEN": "127.0.0.1:0",
        "KANCHI_BUS_STORAGE": ours["KANCHI_BUS_STORAGE"].replace("localhost", "127.0.0.1")},
        name="misnamed")
    for one in (bad, misnamed):
        one.wait_unready("storage does not answer")
    assert good.ask("/readyz")[0] == 200

"""`kanchi`: one clear sentence for each mistake, everything up and down in order."""

import pathlib
import re
import signal
import socket
import socketserver
import subprocess
import threading
import time

import pytest
import rig
from rig.kanchi import bin_folder, service_environment

KANCHI = bin_folder() / "kanchi"
SERVICES = ("storage", "aggregation", "gateway", "ingestion", "control")


def kanchi(*words, cwd="/", **env):
    """Runs it to its end: code, output, errors; and that within a second or so."""
    start = time.monotonic()
    done = subprocess.run([KANCHI, *words], cwd=cwd, env=service_environment(**env),
                          capture_output=True, text=True, timeout=30)
    done.seconds = time.monotonic() - start
    return done


def test_help_and_version_answer_on_standard_output():
    assert "kanchi COMMAND" in kanchi("help").stdout
    assert "--ingestion.batch_events" in kanchi("up", "--help").stdout
    assert kanchi("version").stdout.startswith("kanchi ")


def test_config_doc_is_the_committed_document():
    root = pathlib.Path(__file__).parents[1]
    assert kanchi("config-doc").stdout == (root / "docs/configuration.md").read_text()


@pytest.mark.parametrize("words, sentence", [
    (["upp"], 'unknown command "upp"'),
    (["up", "--nonsense", "1"], "--nonsense: unknown option"),
    (["up", "--config", "/nowhere.yaml"], "/nowhere.yaml: cannot read the file: No such file"),
    (["up", "--broker", "localhost"], "--broker: has an unknown scheme"),
    (["up", "--broker", "redis://h:port/0"], "--broker: has a port that is not a number"),
    (["up", "--data", "/proc/kanchi"], "data: cannot create /proc/kanchi/bus"),
    (["up", "--database", "mysql://h/d"], "--database: has an unknown scheme"),
    (["up", "--listen", "nonsense"], "--listen: \"nonsense\" is not an address"),
    (["up", "--listen", "192.0.2.1:80"], "gateway.listen: cannot listen on 192.0.2.1:80"),
])
def test_a_mistake_is_one_sentence_and_a_code(folder, words, sentence):
    if "--data" not in words and "up" in words:
        words = [*words, "--data", folder / "data"]
    done = kanchi(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.seconds < 3  # a second; sanitizers and busy machines take their part


def test_an_unknown_key_is_named_with_its_line(folder):
    (folder / "k.yaml").write_text("storage:\n  readers: 2\n  writers: 2\n")
    done = kanchi("up", "--config", "k.yaml", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("kanchi: k.yaml:3: storage.writers: unknown key; allowed: ")


def test_a_taken_port_is_said(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = kanchi("up", "--data", folder / "data", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert f"gateway.listen: cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr


needs_services = pytest.mark.skipif(
    not all((bin_folder() / f"kanchi-{name}").exists() for name in SERVICES),
    reason="not all services are built")


class FakeRedis(socketserver.ThreadingTCPServer):
    """Answers the same bytes to every command."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer):
        self.answer = answer
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            try:
                while data := self.request.recv(65536):
                    self.request.sendall(self.server.answer * max(1, data.count(b"*")))
            except OSError:
                pass

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.server_address[1]}/0"


@needs_services
def test_words_of_a_broker_are_written_so_that_no_terminal_obeys_them(folder):
    hostile = "\x1b]8;;http://x\x1b\\\x1b[31m \x9b31m \u202egpj\u2066 \u061c \u200f".encode()
    with FakeRedis(b"-ERR " + hostile + b" \xff \x07\r\n") as redis, \
            open(folder / "screen", "wb") as screen, open(folder / "log", "wb") as log:
        with subprocess.Popen(
                [KANCHI, "up", "--data", folder / "data", "--broker", redis.url, "--listen",
                 f"127.0.0.1:{rig.free_port()}"], stdout=screen, stderr=log,
                env=service_environment()) as up:
            rig.wait_for(lambda: b"Ctrl-C" in (folder / "screen").read_bytes(), 30, "the screen")
            up.send_signal(signal.SIGTERM)
            up.wait(30)
        doctor = subprocess.run([KANCHI, "doctor", "--broker", redis.url, "--data", folder / "data"],
                                env=service_environment(), capture_output=True, timeout=60)
        redis.shutdown()
    shown = (folder / "screen").read_bytes()
    assert b"unreachable, retrying: ERR \\x1b]8;;http" in shown
    assert b"gpj" in doctor.stdout
    for out in (shown, (folder / "log").read_bytes(), doctor.stdout + doctor.stderr):
        assert not re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]",
                              out.decode())


@needs_services
def test_no_sentence_of_a_library_quotes_a_password(folder):
    for url in ("postgresql://kanchi:100%sure@127.0.0.1:1/db", "postgresql://kanchi:sure/thing@h/db",
                "postgresql://kanchi:pa:sure@h/db", "postgresql://127.0.0.1:1/db?password=100%sure"):
        done = subprocess.run([bin_folder() / "kanchi-storage", "--data", folder / "data",
                               "--database", url], env=service_environment(), capture_output=True,
                              text=True, timeout=60)
        assert done.returncode != 0 and "database" in done.stderr
        assert "sure" not in done.stdout + done.stderr and "thing" not in done.stderr


def children_of(pid):
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
            if int(rest.split()[1]) == pid:
                command = (stat.parent / "cmdline").read_text().split("\0")
                found[pathlib.Path(command[0]).name] = int(stat.parent.name)
        except OSError:
            continue
    return found


@needs_services
def test_up_starts_all_restarts_the_dead_and_leaves_nothing(folder, redis_url):
    with rig.Kanchi(folder, [redis_url]) as kanchi_:
        process = kanchi_.up()
        process.wait_for(lambda: "Press Ctrl-C to stop." in process.log(), 20)
        assert f"Dashboard  {kanchi_.url}" in process.log()
        children = children_of(process.pid)
        assert set(children) == {f"kanchi-{name}" for name in SERVICES}

        # secrets are not to be seen, not even the URL
        for pid in children.values():
            for what in ("cmdline", "environ"):
                assert "redis://" not in pathlib.Path(f"/proc/{pid}/{what}").read_text()

        # a second one on the same folder is refused
        done = kanchi("up", "--data", kanchi_.data, "--listen", "127.0.0.1:0")
        assert done.returncode == 2
        assert f"is in use by another kanchi (PID {process.pid})" in done.stderr

        # one that dies comes back
        pathlib.Path(f"/proc/{children['kanchi-aggregation']}").stat()
        subprocess.run(["kill", "-9", str(children["kanchi-aggregation"])], check=True)
        process.wait_for(lambda: children_of(process.pid).get("kanchi-aggregation", 0)
                         not in (0, children["kanchi-aggregation"]), 10, "aggregation is back")

        children = children_of(process.pid)
        process.send(signal.SIGINT)
        assert process.wait(30) == 0
        for pid in children.values():
            assert not pathlib.Path(f"/proc/{pid}").exists()


@needs_services
def test_services_end_when_the_launcher_is_killed(folder, redis_url):
    with rig.Kanchi(folder, [redis_url]) as kanchi_:
        process = kanchi_.up()
        children = children_of(process.pid)
        process.send(signal.SIGKILL)
        for name, pid in children.items():
            rig.wait_for(lambda pid=pid: not pathlib.Path(f"/proc/{pid}/exe").exists(), 20,
                         f"{name} ends")


@needs_services
def test_a_new_launcher_takes_over_from_one_that_was_killed(folder, redis_url):
    with rig.Kanchi(folder, [redis_url]) as kanchi_:
        process = kanchi_.up()
        process.send(signal.SIGKILL)
        process.wait()
        kanchi_.up()


@needs_services
def test_a_database_that_refuses_is_said(folder, redis_url):
    port = rig.free_port()
    done = kanchi("up", "--broker", redis_url, "--data", folder / "data", "--listen",
                  f"127.0.0.1:{rig.free_port()}", "--database",
                  f"postgresql://kanchi:secret@127.0.0.1:{port}/kanchi")
    assert done.returncode == 2
    assert "secret" not in done.stderr
    assert "refused" in done.stderr
    assert done.seconds < 3

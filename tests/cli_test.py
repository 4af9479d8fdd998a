"""`kanchi tasks` and the other commands for people and scripts, over the gateway's REST."""

import fcntl
import http.server
import json
import os
import pathlib
import pty
import re
import struct
import subprocess
import termios
import threading

import pytest
import rig
from gateway_rig import Gateway
from rig.kanchi import bin_folder, service_environment


@pytest.fixture(scope="module")
def gateway(session_folder):
    with Gateway(session_folder / "gateway-cli") as gateway:
        yield gateway


def kanchi(*words, url=None):
    env = service_environment(**({"KANCHI_URL": url} if url else {}))
    return subprocess.run([bin_folder() / "kanchi", *words], env=env, capture_output=True,
                          text=True, timeout=60)


@pytest.mark.parametrize("words, path", [
    (("tasks",), "/tasks"), (("tasks", "--status", "failure", "--limit=3"),
                             "/tasks?status=failure&limit=3"),
    (("tasks", "--status", "Failed", "--limit=3"), "/tasks?status=failure&limit=3"),
    (("tasks", "task-9"), "/tasks/task-9"), (("workers",), "/workers"),
    (("workers", "celery@one"), "/workers/celery%40one"), (("queues",), "/queues"),
    (("queues", "payments", "--source", "default"), "/queues/payments?source=default"),
    (("audit",), "/audit")])
def test_json_is_what_the_api_answers(gateway, words, path):
    done = kanchi(*words, "--json", url=gateway.url)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == gateway.get(path)


@pytest.mark.parametrize("words, texts", [
    (("tasks",), ("STATUS", "NAME", "task-9")), (("workers",), ("HOSTNAME", "celery@one")),
    (("queues",), ("MESSAGES", "payments", "  17  ")), (("jobs",), ("ACTION", "retry")), (("audit",), ("OUTCOME", "pool_grow")),
    (("tasks", "task-9"), ("id: task-9", "status: ")),
    (("inspect", "ping", "--source", "default"), ("WORKER", "pong", "no reply"))])
def test_tables_are_for_people(gateway, words, texts):
    done = kanchi(*words, "--url", gateway.url)
    assert all(text in done.stdout for text in texts), done.stdout + done.stderr


@pytest.mark.parametrize("words, code, told", [
    (("command", "pool_grow", "n=2", "--worker", "celery@one", "--source=default"), 3, "celery@two"),
    (("command", "pool_grow", "--all", "--source=default", "--dry-run"), 0, "would be sent"),
    (("command", "pool_grow", "n=2"), 2, "--pattern or --all"),
    (("command", "pool_grow", "n=0", "--all"), 2, "an integer from 1 to 1000"),
    (("command", "pool_grow", "m=1", "--all"), 2, "unknown argument"),
    (("command", "elect", "--all"), 2, "unknown command"),
    (("inspect", "shutdown"), 2, "unknown question"),
    (("tasks", "none"), 1, "404"), (("tasks", "--status", "sad"), 1, "status"),
    (("tasks", "--no-such"), 2, "unknown option"), (("tasks", "--limit"), 2, "requires a value"),
    (("tasks", "a", "b"), 2, "usage"), (("retry",), 2, "usage: kanchi retry ID\n"),
    (("inspect",), 2, "usage: kanchi inspect QUESTION [NAME=VALUE]...\n")])
def test_exit_codes_say_what_happened(gateway, words, code, told):
    done = kanchi(*words, url=gateway.url)
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stdout + done.stderr


def test_a_gateway_that_is_not_there_is_said():
    done = kanchi("tasks", url=f"http://eve:secret@127.0.0.1:{rig.free_port()}")
    assert done.returncode == 4 and "no answer from" in done.stderr
    assert "secret" not in done.stderr


def test_every_column_is_a_member_of_what_the_api_answers():
    root = pathlib.Path(__file__).parents[1]
    schemas = json.loads((root / "gateway/openapi.json").read_text())["components"]["schemas"]
    known = {name: schemas[schema]["properties"] for name, schema in (
        ("task", "Task"), ("worker", "Worker"), ("queue", "Queue"), ("message", "WaitingMessage"),
        ("job", "Job"), ("audit", "AuditEntry"))}
    tables = re.findall(r"cli_column (\w+)_columns\[\] = \{(.*?)\{0\}\};",
                        (root / "services/launcher/cli.c").read_text(), re.S)
    columns = [(name, key) for name, table in tables if name in known
               for key in re.findall(r'\{"[^"]*",\s*"(\w+)"', table)]
    assert len(columns) > 25
    assert [(name, key) for name, key in columns if key not in known[name]] == []


@pytest.mark.parametrize("words", [("tasks",), ("tasks", "--json"), ("tasks", "--help"), ("help",),
                                   ("version",), ("config-doc",)])
def test_an_answer_that_could_not_be_written_is_a_failure(gateway, words):
    with open("/dev/full", "w", encoding="utf-8") as full:
        env = service_environment(KANCHI_URL=gateway.url)
        done = subprocess.run([bin_folder() / "kanchi", *words], env=env, stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "kanchi: standard output: No space left on device\n")


def test_help_lists_commands_options_and_arguments():
    assert "retry" in kanchi("help").stdout
    told = kanchi("command", "--help").stdout
    assert "--dry-run" in told and "rate_limit" in told and "\"10/m\"" in told
    assert "--terminate" in kanchi("revoke", "--help").stdout


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egpj\x7f\r\n"


@pytest.fixture(scope="module")
def hostile():
    """Answers everything with text that a terminal would obey, and keeps what it was asked."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            asked.append((self.command, self.path, self.rfile.read(length)))
            item = {"id": HOSTILE, "name": HOSTILE * 20, "status": HOSTILE, HOSTILE: [HOSTILE]}
            body = json.dumps({"items": [item], "next_cursor": HOSTILE, "detail": HOSTILE,
                               "id": HOSTILE}, ensure_ascii=False)
            body = body.encode()
            self.send_response(400 if "refuse" in self.path else 202)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_):
            pass

    asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked = asked
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("words", [("tasks",), ("tasks", "--json"), ("tasks", "refuse"),
                                   ("retry", "x"), ("revoke", "x")])
def test_hostile_text_never_reaches_the_terminal(hostile, words):
    done = subprocess.run([bin_folder() / "kanchi", *words, "--url", hostile.url],
                          env=service_environment(), capture_output=True, timeout=60)
    out = (done.stdout + done.stderr).decode()
    assert not [c for c in out if c != "\n" and (c < " " or "\x7f" <= c < "\xa0" or c == "\u202e")]
    if words[-1] == "--json":
        assert json.loads(out)["items"][0]["id"] == HOSTILE


def test_ids_stay_where_they_belong(hostile):
    kanchi("revoke", "../../a?b#c/ü", "--terminate", "--signal", "KILL", url=hostile.url)
    method, path, _ = hostile.asked[-1]
    assert method == "DELETE"
    assert path == "/api/v1/tasks/..%2F..%2Fa%3Fb%23c%2F%C3%BC?terminate=true&signal=KILL"
    kanchi("revoke", "a", "--remove", "--queue", "b c", "--dry-run", url=hostile.url)
    assert hostile.asked[-1][:2] == ("DELETE", "/api/v1/tasks/a?remove=true&queue=b%20c&dry_run=true")
    kanchi("retry", "a", "--dry-run", url=hostile.url)
    assert hostile.asked[-1][:2] == ("POST", "/api/v1/tasks/a/retry?dry_run=true")
    kanchi("retry", "a", "--force", "--attempt", "last", "--arguments", "events", url=hostile.url)
    assert hostile.asked[-1] == (
        "POST", "/api/v1/tasks/a/retry?force=true&attempt=last&arguments=events", b"{}")
    kanchi("retry", "a", "--kwargs", '{"n": 1.10}', "--args", '[12345678901234567890, "ü"]',
           url=hostile.url)
    assert hostile.asked[-1][2].decode() == (
        '{"args":[12345678901234567890, "ü"],"kwargs":{"n": 1.10}}')
    asked = len(hostile.asked)
    done = kanchi("retry", "a", "--args", "1, 2", url=hostile.url)
    assert (done.returncode, len(hostile.asked)) == (2, asked)
    assert "args must be JSON, such as [1, \"a\"]" in done.stderr
    kanchi("command", "revoke", "task_id=a", "--pattern", "*", "--timeout", "2", url=hostile.url)
    assert json.loads(hostile.asked[-1][2]) == {
        "arguments": {"task_id": "a"}, "pattern": "*", "timeout": 2.0}


@pytest.mark.parametrize("columns", [40, 100])
def test_tables_fit_the_terminal(gateway, columns):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen([bin_folder() / "kanchi", "workers", "--url", gateway.url],
                          env=service_environment(), stdout=slave, stderr=subprocess.DEVNULL) as run:
        run.wait(30)
        os.close(slave)
        out = b""
        try:
            while chunk := os.read(master, 65536):
                out += chunk
        except OSError:
            pass
        os.close(master)
    lines = out.decode().splitlines()
    assert len(lines) > 1 and max(len(line) for line in lines) <= max(columns, 80)

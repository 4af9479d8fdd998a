"""Clients, and brokers, that do everything wrong: no service ends, everybody else is answered
within a second, and memory stays within what docs/memory.md says.

A short run in ./dev test; KANCHI_HOSTILE_SECONDS of each kind in ./dev torture hostile.
"""

import contextlib
import os
import socket
import threading
import time

import pytest

import rig

from . import bounds

FULL = bool(os.environ.get("KANCHI_HOSTILE_SECONDS"))
SECONDS = float(os.environ.get("KANCHI_HOSTILE_SECONDS", 1))
CLIENTS = 300

HOST = b"Host: localhost\r\n"
HANDSHAKE = (b"GET /api/v1/ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
POST = (b"POST /api/v1/commands/ping HTTP/1.1\r\n" + HOST +
        b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
DEEP = b'{"type":"ping","id":' + b"[" * 16000
BIG = b"\x81\xff" + (300 << 20).to_bytes(8, "big") + b"\0\0\0\0" + b" " * (1 << 20)

# What a client sends first, and then again and again.
KINDS = {
    "idle": (b"", b""),
    "head": (b"GET /healthz HTTP/1.1\r\n" + HOST, b"X: a\r\n"),
    "body": (POST, b" "),
    "bodies": (POST, b" " * 50000),
    "read": ((b"GET /api/v1/openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * 20, b""),
    "smuggle": (b"POST /healthz HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 63 + b"Content-Length: 5\r\n\r\nhello", b""),
    "ws_deep": (HANDSHAKE + b"\x81\xfe" + len(DEEP).to_bytes(2, "big") + b"\0\0\0\0" + DEEP, b""),
    "ws_big": (HANDSHAKE + BIG, b" " * (1 << 20)),
}


def connect(port, first):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    send(sock, first)
    return sock


def send(sock, data):
    """False when the connection has ended."""
    try:
        return not data or sock.send(data) >= 0
    except BlockingIOError:
        return True
    except OSError:
        return False


def probe(port, path):
    """How long an answer takes, in seconds."""
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 "), (path, answer[:200])
    return time.monotonic() - start


def probe_all(port):
    return max(probe(port, path) for path in (b"/healthz", b"/readyz", b"/metrics", b"/api/v1/tasks"))


@pytest.fixture(scope="module")
def kanchi(session_folder):
    """All services, which every kind of client meets one after the other."""
    folder = session_folder / "hostile"
    with rig.Redis(folder / "redis") as broker, \
            rig.Kanchi(folder, [broker.url()], config={"ingestion": bounds.INGESTION}) as one:
        one.up()
        one.before = bounds.services(one.processes["kanchi"])
        yield one


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_notices(kanchi, kind):
    first, then = KINDS[kind]
    slowest = 0.0
    clients = [connect(kanchi.port, first) for _ in range(CLIENTS)]
    end = time.monotonic() + SECONDS
    while True:
        for number, sock in enumerate(clients):
            if not send(sock, then):
                sock.close()
                clients[number] = connect(kanchi.port, first)
        slowest = max(slowest, probe_all(kanchi.port))
        if time.monotonic() > end:
            break
    for sock in clients:
        sock.close()
    peaks = bounds.check(kanchi, kanchi.processes["kanchi"], kanchi.before)
    print(f"{kind}: {CLIENTS} clients, slowest answer {slowest * 1000:.0f} ms, MB at most {peaks}")
    if FULL:
        assert slowest < 1
    kanchi.check_reports()


# --- brokers ---

LINE = b"a" * 65536
REPLIES = {  # the first bytes, and those that follow without end
    "error": (b"-ERR \x1b]0;pwned\x07\x1b[31mRED\r\n", b""),
    "line": (b"+", LINE),
    "bulk": (b"$2147483000\r\n", LINE),
    "array": (b"*2147483647\r\n", b""),
    "nulls": (b"*2000000\r\n", b"$-1\r\n" * 10000),
    "deep": (b"", b"*1\r\n" * 10000),
    "messages": (b"", b"*4\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\na\r\n$1000\r\n" + b"x" * 1000 + b"\r\n"),
    "garbage": (bytes(range(256)), b""),
    "http": (b"HTTP/1.1 200 OK\r\n\r\nhello", b""),
}


@contextlib.contextmanager
def fake_redis(first, then):
    """Answers every connection in this way."""
    server = socket.create_server(("127.0.0.1", 0), backlog=50)

    def serve(sock):
        with sock, contextlib.suppress(OSError):
            while sock.recv(65536):
                sock.sendall(first)
                while then:
                    sock.sendall(then)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.mark.parametrize("kind", REPLIES if FULL else ["line", "array"])
def test_a_broker_that_sends_without_end_is_left(folder, kind):
    with fake_redis(*REPLIES[kind]) as port, \
            rig.Kanchi(folder, [f"redis://127.0.0.1:{port}/1"],
                       config={"ingestion": bounds.INGESTION}) as kanchi:
        launcher = kanchi.launch()
        launcher.wait_for(lambda: kanchi.get("/system")["ingestion"]["default"]["error"], 30, "an error")
        before = bounds.services(launcher)
        assert set(before) == {"launcher", "storage", "aggregation", "ingestion", "control", "gateway"}
        end = time.monotonic() + SECONDS
        slowest = probe(kanchi.port, b"/healthz")
        while time.monotonic() < end:
            slowest = max(slowest, probe(kanchi.port, b"/healthz"), probe(kanchi.port, b"/api/v1/tasks"))
        peaks = bounds.check(kanchi, launcher, before)
        print(f"{kind}: slowest answer {slowest * 1000:.0f} ms, MB at most {peaks}")
        if FULL:
            assert slowest < 1

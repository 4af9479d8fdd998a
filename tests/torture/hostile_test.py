"""Clients that do everything wrong, many at once: the gateway lives on, everybody else is
answered within a second, and memory stays within what docs/http.md says.

A short run in ./dev test; KANCHI_HOSTILE_SECONDS of each kind in ./dev torture hostile.
"""

import os
import socket
import time

import pytest

from gateway_rig import Gateway

SECONDS = float(os.environ.get("KANCHI_HOSTILE_SECONDS", 1))
CLIENTS = 300
MEMORY = 64 << 20  # of requests and answers; the rest is what the process has anyway

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


def probe(gateway, path):
    """How long an answer takes, in seconds."""
    start = time.monotonic()
    answer = gateway.raw(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 "), (path, answer[:200])
    return time.monotonic() - start


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_notices(folder, kind):
    first, then = KINDS[kind]
    with Gateway(folder) as gateway:
        process = gateway.processes["gateway"]
        sanitized = b"__asan_init" in (gateway.bin / "kanchi-gateway").read_bytes()
        before, most, slowest = process.rss_bytes(), 0, 0.0
        clients = [connect(gateway.port, first) for _ in range(CLIENTS)]
        end = time.monotonic() + SECONDS
        while True:
            for number, sock in enumerate(clients):
                if not send(sock, then):
                    sock.close()
                    clients[number] = connect(gateway.port, first)
            for path in (b"/healthz", b"/readyz", b"/metrics", b"/api/v1/tasks"):
                slowest = max(slowest, probe(gateway, path))
            most = max(most, process.rss_bytes() - before)
            if time.monotonic() > end:
                break
        for sock in clients:
            sock.close()
        print(f"{kind}: {CLIENTS} clients, slowest answer {slowest * 1000:.0f} ms, "
              f"memory +{most >> 20} MB")
        assert sanitized or most < MEMORY + (16 << 20)
        gateway.check_reports()

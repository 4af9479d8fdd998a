"""Requests that no honest client sends: an answer or a closed connection, never a crash."""

import socket
import time

import pytest
from gateway_rig import Gateway


@pytest.fixture(scope="module")
def gateway(session_folder, tmp_path_factory):
    """Without a dashboard, whose page would answer every path."""
    site = tmp_path_factory.mktemp("site")
    (site / "robots.txt").write_text("User-agent: *\n")
    with Gateway(session_folder / "gateway-hostile",
                 {"threads": 12, "ws_clients_max": 4, "static_dir": str(site)}) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def still_alive(gateway):
    yield
    assert gateway.ask("/healthz")[0] == 200
    gateway.check_reports()


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def request(path, *lines, method=b"GET", version=b"HTTP/1.1"):
    head = [method + b" " + path + b" " + version, b"Host: localhost", b"Connection: close", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n"


@pytest.mark.parametrize("path, statuses", [
    (b"/api/v1/tasks?q=%", {400}),
    (b"/api/v1/tasks?q=%4", {400}),
    (b"/api/v1/tasks?q=%zz", {400}),
    (b"/api/v1/tasks?%00=1", {400}),
    (b"/api/v1/tasks?q=%00", {400}),
    (b"/api/v1/tasks?q=%ff%fe", {400}),
    (b"/api/v1/tasks?" + b"name=a&" * 300, {400}),
    (b"/api/v1/tasks?q=" + b"x" * 2000, {400}),
    (b"/api/v1/tasks?limit=99999999999999999999", {400}),
    (b"/api/v1/tasks?from=2026-13-45T99:99:99Z", {400}),
    (b"/api/v1/tasks?cursor=" + b"A" * 512, {400}),
    (b"/api/v1/tasks/" + b"x" * 7000, {404}),
    (b"/api/v1/tasks/" + b"%F0%9F%98%80" * 1024, {404}),
    (b"/api/v1/tasks/" + b"x" * 17000, {414}),
    (b"/api/v1/tasks/%00", {400}),
    (b"/api/v1/tasks/%c0%ae", {400}),
    (b"/api/v1/tasks/%", {400}),
    (b"/../../../etc/passwd", {404}),
    (b"/%2e%2e/%2e%2e/etc/passwd", {404}),
    (b"/..%2f..%2f..%2fetc%2fpasswd", {404}),
    (b"/....//....//etc/passwd", {404}),
    (b"//etc/passwd", {404}),
    (b"/\\..\\..\\etc\\passwd", {404}),
    (b"/" + b"a/" * 3000, {404}),
    (b"*", {None, 400}),
    (b"no-slash", {400}),
    (b"http://other.example/api/v1/tasks", {None, 400, 403, 404}),
    (b"/\xff\xfe", {400}),
])
def test_hostile_paths_are_refused(gateway, path, statuses):
    answer = gateway.raw(request(path))
    assert status_of(answer) in statuses, answer[:300]
    assert b"root:" not in answer


@pytest.mark.parametrize("data, statuses", [
    (b"", {None}),
    (b"\r\n\r\n", {None, 400}),
    (b"\x00\x01\x02\x03\r\n\r\n", {None, 400}),
    (b"GET\r\n\r\n", {400}),
    (b"GET /\r\n\r\n", {400}),
    (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", {505}),
    (b"GET / HTTP/1.1\r\n\r\n", {400}),
    (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100000 + b"\r\n\r\n", {None, 400, 431}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 200 + b"\r\n",
     {None, 200, 400, 404, 431}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n", {400}),
    (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", {None, 400}),
    (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", {403}),
    (b"GET / HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", {403}),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", {403}),
    (b"GET /healthz HTTP/1.0\r\n\r\n", {200}),
    (request(b"/api/v1/tasks", b"Content-Length: -1"), {400, 411}),
    (request(b"/api/v1/tasks", b"Content-Length: 99999999999"), {413}),
    (request(b"/api/v1/tasks", b"Content-Length: 5") + b"hello", {200}),
    (request(b"/api/v1/tasks", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", {413}),
    (request(b"/api/v1/tasks", b"Transfer-Encoding: nonsense"), {400}),
    (request(b"/api/v1/tasks", b"Content-Length: 10", method=b"PUT") + b"0123456789", {415}),
    (request(b"/api/v1/tasks", b"Content-Type: application/json\r\nContent-Length: 10",
             method=b"PUT") + b"0123456789", {405}),
    (request(b"/api/v1/ws", b"Upgrade: websocket"), {426}),
])
def test_hostile_requests_are_refused(gateway, data, statuses):
    answer = gateway.raw(data, half_close=False) if statuses != {None} else gateway.raw(data)
    assert status_of(answer) in statuses, answer[:300]


def handshake(*lines, path=b"/api/v1/ws", origin=None):
    lines = [b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *lines]
    if origin:
        lines.append(b"Origin: " + origin)
    head = [b"GET " + path + b" HTTP/1.1", b"Host: localhost", b"Connection: Upgrade", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n"


@pytest.mark.parametrize("data, status", [
    (handshake(origin=b"http://evil.example"), 403),
    (handshake(origin=b"null"), 403),
    (handshake(path=b"/api/v1/tasks"), 200),
    (handshake(path=b"/api/v1/ws/x"), 404),
    (handshake(path=b"/ws"), 404),
    (handshake().replace(b"Version: 13", b"Version: 8"), 400),
    (handshake().replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"x"), 400),
    (handshake().replace(b"localhost", b"evil.example"), 403),
    (handshake().replace(b"GET", b"POST"), 405),
])
def test_hostile_handshakes_are_refused(gateway, data, status):
    assert status_of(gateway.raw(data)) == status


FRAMES = [
    b"\x81\x80\0\0\0\0",                              # empty text
    b"\x82\x85\0\0\0\0hello",                         # binary
    b"\x81\x85\0\0\0\0\xff\xfe\xfd\xfc\xfb",          # not UTF-8
    b"\x81\xfe\xff\xff\0\0\0\0" + b"[" * 65535,       # too long
    (b"\x01\xfe\x10\x00\0\0\0\0" + b"x" * 4096) * 20 + b"\x80\x80\0\0\0\0",  # in many parts
    b"\x80\x85\0\0\0\0hello",                         # continues nothing
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_hostile_frames_get_an_error(gateway, frame):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as sock:
        sock.sendall(handshake())
        got = b""
        while b'"hello"' not in got:
            got += sock.recv(65536)
        sock.sendall(frame)
        while b'"type":"error"' not in got:
            chunk = sock.recv(65536)
            assert chunk, got[-300:]
            got += chunk


@pytest.mark.parametrize("frame", [
    b"\x83\x80\0\0\0\0",                              # an opcode that is none
    b"\x88\x82\0\0\0\0\x03\xe8",                      # close
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",  # says it is 16 exbibytes long
])
def test_frames_that_end_the_connection(gateway, frame):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as sock:
        sock.sendall(handshake())
        got = b""
        while b'"hello"' not in got:
            got += sock.recv(65536)
        sock.sendall(frame)
        while sock.recv(65536):
            pass


def test_connections_that_say_nothing_keep_nobody_out(gateway):
    idle = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(13)]
    try:
        time.sleep(0.2)
        answer = gateway.raw(request(b"/healthz"))
        assert status_of(answer) == 503 and b"Retry-After: 1" in answer
        assert b"Connection: close" in answer
    finally:
        for sock in idle:
            sock.close()
    gateway.processes["gateway"].wait_for(lambda: gateway.ask("/healthz")[0] == 200)


def test_a_page_that_is_read_slowly_is_sent_whole(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(request(b"/api/v1/tasks/task-10"))
        time.sleep(1)
        got = b""
        while chunk := sock.recv(65536):
            got += chunk
    head, _, body = got.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head


def test_pipelined_requests_are_answered_in_order(gateway):
    first = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = gateway.raw(first * 5 + request(b"/api/v1/nope"))
    assert answer.count(b"HTTP/1.1 200 OK") == 5 and answer.count(b"HTTP/1.1 404") == 1
    assert answer.rindex(b"HTTP/1.1 200") < answer.index(b"HTTP/1.1 404")

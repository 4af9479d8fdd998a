"""Requests that no honest client sends: an answer or a closed connection, never a crash."""

import json
import re
import socket
import threading
import time

import pytest
from gateway_rig import ROOT, Gateway
from memory import is_sanitized, peak_mb


@pytest.fixture(scope="module")
def gateway(session_folder, tmp_path_factory):
    """Without a dashboard, whose page would answer every path."""
    site = tmp_path_factory.mktemp("site")
    (site / "robots.txt").write_text("User-agent: *\n")
    with Gateway(session_folder / "gateway-hostile",
                 {"threads": 12, "connections_max": 50, "ws_clients_max": 4, "static_dir": str(site)}) as gateway:
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
    (request(b"/", method=b"BREW"), {405}),
    (request(b"/", method=b"TRACE"), {405}),
    (request(b"/api/v1/tasks", method=b"get"), {405}),
    (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", {405}),
    (request(b"*", method=b"OPTIONS"), {204}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 40000 + b"\r\n\r\n", {431}),
    (b"GET /" + b"y" * 40000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {414}),
    (request(b"/healthz", *[b"A: b"] * 62), {200}),
    (request(b"/healthz", *[b"A: b"] * 63), {431}),
    (request(b"/healthz", b"Foo : x"), {400}),
    (request(b"/healthz", b"Foo: x", b" folded"), {400}),
    (request(b"/healthz", b"Host: localhost"), {400}),
    (request(b"/healthz", b": x"), {400}),
    (request(b"/healthz", b"Foo: a\0b"), {400}),
    (request(b"/healthz", b"Foo: a\rb"), {400}),
    (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", {400}),
    (b"GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    (b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {200}),
    (b"GET http://other/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}),
    (b"\x16\x03\x01\x02\0\x01" + b"\0" * 100, {400}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n", {400}),
    (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", {None, 400}),
    (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", {403}),
    (b"GET / HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", {403}),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", {403}),
    (b"GET /healthz HTTP/1.0\r\n\r\n", {200}),
    (request(b"/healthz", b"Content-Length: 2", b"Content-Length: 2") + b"{}", {400}),
    (request(b"/healthz", b"Content-Length: 2", b"content-length: 5") + b"{}{}{}", {400}),
    (request(b"/healthz", b"Content-Length: 2, 2") + b"{}", {400}),
    (request(b"/healthz", b"Content-Length: 2abc") + b"{}", {400}),
    (request(b"/healthz", b"Content-Length: +2") + b"{}", {400}),
    (request(b"/healthz", b"Content-Length: 0x2") + b"{}", {400}),
    (request(b"/healthz", b"Content-Length:"), {400}),
    (request(b"/healthz", b"Content-Length: 99999999999999999999999"), {413}),
    (request(b"/healthz", b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n", {400}),
    (request(b"/healthz", b"Expect: nonsense"), {417}),
    (request(b"/api/v1/tasks", b"Content-Length: -1"), {400}),
    (request(b"/api/v1/tasks", b"Content-Length: 99999999999"), {413}),
    (request(b"/api/v1/tasks", b"Content-Length: 5") + b"hello", {200}),
    (request(b"/api/v1/tasks", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", {411}),
    (request(b"/api/v1/tasks", b"Transfer-Encoding: nonsense"), {501}),
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


def open_websocket(gateway):
    """A connection whose hello was read."""
    sock = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    sock.sendall(handshake())
    got = b""
    while b'"hello"' not in got:
        got += sock.recv(65536)
    return sock


def read_to_end(sock):
    got = b""
    try:
        while chunk := sock.recv(65536):
            got += chunk
    except ConnectionResetError:
        pass
    return got


@pytest.mark.parametrize("frame", [
    b"\x81\x80\0\0\0\0",                              # empty text
    b"\x82\x85\0\0\0\0hello",                         # binary
    b"\x81\xfe\x10\x00\0\0\0\0" + b"[" * 4096,        # deeper than anybody needs
    b"\x81\xfe\x40\x00\0\0\0\0" + (b'{"a":' * 4096)[:16384],
    b'\x81\xfe\x3f\xff\0\0\0\0{"type":"ping","id":' + b"[" * 16363,
])
def test_hostile_frames_get_an_error(gateway, frame):
    with open_websocket(gateway) as sock:
        sock.sendall(frame)
        got = b""
        while b'"type":"error"' not in got:
            chunk = sock.recv(65536)
            assert chunk, got[-300:]
            got += chunk


@pytest.mark.parametrize("frame, code", [
    (b"\x81\x05hello", 1002),                          # not masked
    (b"\xc1\x85\0\0\0\0hello", 1002),                  # RSV1, and no extension was agreed on
    (b"\x83\x80\0\0\0\0", 1002),                       # an opcode that is none
    (b"\x80\x85\0\0\0\0hello", 1002),                  # continues nothing
    (b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 1002),    # a message within another
    (b"\x09\x81\0\0\0\0a", 1002),                      # a ping in parts
    (b"\x89\xfe\x03\xe8\0\0\0\0", 1002),               # a ping of 1,000 bytes
    (b"\x88\x81\0\0\0\0\x03", 1002),                   # half of a code
    (b"\x81\x85\0\0\0\0\xff\xfe\xfd\xfc\xfb", 1007),  # not UTF-8
    (b"\x81\xfe\x40\x01\0\0\0\0", 1009),               # 16 KiB and one byte, of which none came
    (b"\x81\xff" + b"\xff" * 8, 1009),                 # says it is 16 exbibytes long
    (b"\x81\xff\0\0\0\0\x12\xc0\0\0", 1009),          # 300 MB
    ((b"\x01\xfe\x10\x00\0\0\0\0" + b"x" * 4096)
     + (b"\x00\xfe\x10\x00\0\0\0\0" + b"x" * 4096) * 4, 1009),  # in many parts
    (b"\x88\x82\0\0\0\0\x03\xe8", 1000),              # close
])
def test_frames_that_end_the_connection(gateway, frame, code):
    with open_websocket(gateway) as sock:
        sock.sendall(frame)
        assert read_to_end(sock).endswith(b"\x88\x02" + code.to_bytes(2, "big"))


def test_a_request_behind_64_headers_is_not_smuggled(gateway):
    inner = b"GET /api/v1/system HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    lines = [b"X%d: a" % i for i in range(63)]
    head = [b"POST /healthz HTTP/1.1", b"Host: localhost", *lines, b"Content-Length: %d" % len(inner)]
    answer = gateway.raw(b"\r\n".join(head) + b"\r\n\r\n" + inner, half_close=False)
    assert status_of(answer) == 431 and answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer and b"keep-alive" not in answer


@pytest.mark.parametrize("opening", [
    b"",                                                          # nothing
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",           # half a head
    b"POST /api/v1/commands/ping HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000000\r\n\r\n{",                          # the beginning of a body
    b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,  # answers that nobody reads
], ids=["idle", "head", "body", "read"])
def test_clients_that_do_nothing_keep_nobody_out(gateway, opening):
    """Three times as many as there is room for."""
    idle = []
    try:
        for _ in range(150):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", gateway.port))
            idle.append(sock)
            sock.sendall(opening)
        for path in (b"/healthz", b"/readyz", b"/metrics", b"/api/v1/tasks"):
            assert status_of(gateway.raw(request(path))) == 200
    finally:
        for sock in idle:
            sock.close()


def test_a_page_that_is_read_slowly_is_sent_whole(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
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


def test_an_action_whose_answer_has_no_room_is_unknown_and_not_to_be_repeated(folder):
    """The workers have done it: who is told to try again does it twice."""
    with Gateway(folder, {"memory_max": "16MB", "query_timeout": "60s"}) as gateway:
        # 20 MB are too many for what control answers, 12 MB for that and its JSON
        for workers in ("huge20", "huge12"):
            body = {"source": "default", "pattern": workers, "arguments": {"n": 1}}
            status, headers, answer = gateway.ask("/api/v1/commands/pool_grow", "POST", body=body)
            assert status == 504 and json.loads(answer)["code"] == "outcome_unknown", answer
            assert "unknown whether the action was taken" in json.loads(answer)["detail"]
            assert "Retry-After" not in headers
            # nothing was done: these may be repeated
            for path, method, sent in (("commands/pool_grow?dry_run=true", "POST", body),
                                       (f"inspect/ping?source=default&pattern={workers}", "GET", None)):
                status, headers, answer = gateway.ask(f"/api/v1/{path}", method, body=sent)
                assert status == 200 or status == 503 and headers["Retry-After"], answer
                assert method == "POST" or status == 503


def test_an_action_whose_answer_is_lost_or_makes_no_sense_is_unknown(folder):
    """Control has done it. Only its answer was too big for the bus, of a wrong kind, or lost."""
    header = (ROOT / "services/common/status.h").read_text()
    names = re.findall(r"X\((\w+), \"", header)
    unknown = ["INVALID", "TOO_BIG", "TOO_DEEP", "TRUNCATED", "CLOSED", "IO", "UNSUPPORTED", "INTERNAL",
               "UNCERTAIN", "TIMEOUT", "NOMEM"]
    with Gateway(folder) as gateway:
        for pattern in ("odd", *(f"status{names.index(name)}" for name in unknown)):
            body = {"source": "default", "pattern": pattern, "arguments": {"n": 1}}
            status, headers, answer = gateway.ask("/api/v1/commands/pool_grow", "POST", body=body)
            assert status == 504 and json.loads(answer)["code"] == "outcome_unknown", (pattern, answer)
            assert "Retry-After" not in headers
        for name, expected in (("CONFLICT", 409), ("NOT_FOUND", 404), ("AGAIN", 503)):
            body = {"source": "default", "pattern": f"status{names.index(name)}", "arguments": {"n": 1}}
            status, _, answer = gateway.ask("/api/v1/commands/pool_grow", "POST", body=body)
            assert status == expected and "code" not in json.loads(answer), (name, answer)
        for pattern, expected in (("odd", 502), (f"status{names.index('TOO_BIG')}", 409)):
            status, _, answer = gateway.ask(f"/api/v1/inspect/ping?source=default&pattern={pattern}")
            assert status == expected and "code" not in json.loads(answer), (pattern, answer)


def test_large_answers_at_once_are_refused_beyond_their_memory(folder):
    """48 clients ask for a task whose result has 12 MB."""
    answers = []

    def ask():
        answers.append(gateway.raw(request(b"/api/v1/tasks/huge"), timeout=60))

    with Gateway(folder, {"threads": 48, "memory_max": "64MB", "query_timeout": "60s"}) as gateway:
        pid = gateway.processes["gateway"].pid
        before = peak_mb(pid)
        clients = [threading.Thread(target=ask) for _ in range(48)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        refused = [answer for answer in answers if status_of(answer) == 503]
        assert refused and all(b"\r\nRetry-After: " in one and b"too many large responses" in one for one in refused)
        whole = [answer for answer in answers if status_of(answer) == 200 and len(answer) > 12 << 20]
        assert whole
        # 64 MB to make answers, 64 MB to send them; sanitizers keep what was freed for a while
        more = peak_mb(pid) - before
        assert more < (450 if is_sanitized(gateway.bin) else 160)
        assert status_of(gateway.raw(request(b"/api/v1/tasks/huge"), timeout=60)) == 200
        text = gateway.raw(request(b"/metrics")).decode()
        assert f"kanchi_gateway_memory_refused_total {len(refused)}" in text

"""Live events: what is subscribed comes, what is not read is dropped and told."""

import json
import signal
import time

import pytest
import rig
import websocket
from gateway_rig import Gateway


@pytest.fixture(scope="module")
def gateway(session_folder):
    with Gateway(session_folder / "gateway-websocket", {"threads": 12, "ws_clients_max": 4}) as gateway:
        yield gateway


def connect(gateway, subscribe=None, **options):
    sock = websocket.create_connection(f"ws://127.0.0.1:{gateway.port}/api/v1/ws", timeout=10, **options)
    hello = json.loads(sock.recv())
    assert hello["type"] == "hello" and hello["version"] == 1 and hello["feed"] == "connected"
    if subscribe:
        send(sock, type="subscribe", **subscribe)
        assert until(sock, "subscribed")["topics"] == subscribe["topics"]
    return sock


def send(sock, **frame):
    sock.send(json.dumps(frame))


def until(sock, kind, timeout=10):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        frame = json.loads(sock.recv())
        if frame["type"] == kind:
            return frame
    raise AssertionError(f"no {kind}")


def test_new_tasks_come_within_a_second(gateway):
    sock = connect(gateway, {"topics": ["tasks"]})
    frame = until(sock, "task:created", timeout=1)
    task = frame["items"][0]
    assert task["id"].startswith("live-") and task["args"] == [1042, "Grüße", None, [1.5, True]]
    assert "traceback" in task["shortened"]
    sock.close()


def test_every_topic_has_its_frames(gateway):
    sock = connect(gateway, {"topics": ["tasks", "workers", "queues", "metrics", "system"]})
    missing = {"task:created", "worker:online", "worker:offline", "worker:updated", "queue:updated",
               "metrics:update", "system:update"}
    end = time.monotonic() + 10
    while missing and time.monotonic() < end:
        frame = json.loads(sock.recv())
        missing.discard(frame["type"])
        if frame["type"] == "metrics:update":
            assert frame["metrics"]["running"] == 3
        if frame["type"] == "queue:updated":  # what a measurement does not know is not there
            assert not {"paused", "workers", "history"} & set(frame["items"][0])
    assert not missing
    sock.close()


def test_filters_hold_back_what_does_not_match(gateway):
    sock = connect(gateway, {"topics": ["tasks"], "filter": {"source": ["nope"]}})
    sock.settimeout(1)
    with pytest.raises(websocket.WebSocketTimeoutException):
        sock.recv()
    sock.close()


def test_unsubscribed_topics_stop(gateway):
    sock = connect(gateway, {"topics": ["tasks", "metrics"]})
    send(sock, type="unsubscribe", topics=["tasks"])
    assert until(sock, "subscribed")["topics"] == ["metrics"]
    for _ in range(3):
        assert json.loads(sock.recv())["type"] == "metrics:update"
    sock.close()


def test_a_burst_is_coalesced_and_counted(gateway):
    sock = connect(gateway, {"topics": ["tasks"]})
    gateway.processes["storage"].send(signal.SIGUSR1)
    frame = until(sock, "task:updated")
    assert len(frame["items"]) <= 200
    assert len(frame["items"]) + frame["omitted"] == 5000
    assert len({task["id"] for task in frame["items"]}) == len(frame["items"])
    sock.close()


def test_a_gap_in_the_feed_asks_to_load_again(gateway):
    sock = connect(gateway, {"topics": ["tasks"]})
    gateway.processes["storage"].send(signal.SIGUSR2)
    assert until(sock, "resync")["reason"] == "gap"
    until(sock, "task:created")
    sock.close()


def test_pings_are_answered(gateway):
    sock = connect(gateway)
    send(sock, type="ping", id="abc")
    assert until(sock, "pong")["id"] == "abc"
    sock.ping("x")
    sock.send("nonsense")
    assert "JSON" in until(sock, "error")["detail"]
    sock.close()


def test_clients_beyond_the_limit_are_told_to_come_later(gateway):
    clients = [connect(gateway) for _ in range(4)]
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        connect(gateway)
    assert refused.value.status_code == 503
    assert refused.value.resp_headers["retry-after"]
    for client in clients:
        client.close()
    gateway.processes["gateway"].wait_for(lambda: connect(gateway).close() or True)


def figure(gateway, name):
    """A value that the gateway counts."""
    text = gateway.ask("/metrics")[2].decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


def test_a_client_that_does_not_read_holds_up_nobody(folder):
    with Gateway(folder, {"ws_queue_max": "256KB"}) as gateway:
        slow = connect(gateway, {"topics": ["tasks"]}, sockopt=((1, 8, 4096),))  # SO_RCVBUF
        quick = connect(gateway, {"topics": ["tasks"]})
        for _ in range(40):
            gateway.processes["storage"].send(signal.SIGUSR1)
            assert until(quick, "task:updated")["omitted"]
            if figure(gateway, "kanchi_gateway_websocket_frames_dropped_total"):
                break
        # a gateway that is itself behind says so before ("gap")
        assert rig.wait_for(lambda: until(slow, "resync")["reason"] == "slow_client",
                            what="it is told what it missed")
        slow.close()
        quick.close()


def test_a_client_that_never_reads_is_let_go_and_costs_little(folder):
    with Gateway(folder, {"ws_queue_max": "256KB"}) as gateway:
        process = gateway.processes["gateway"]
        stuck = connect(gateway, {"topics": ["tasks"]}, sockopt=((1, 8, 4096),))  # SO_RCVBUF
        memory = process.rss_bytes()
        program = (gateway.bin / "kanchi-gateway").read_bytes()
        counts_memory = b"__asan_init" not in program and b"__tsan_init" not in program

        def is_let_go():
            gateway.processes["storage"].send(signal.SIGUSR1)
            return figure(gateway, "kanchi_gateway_websocket_clients") == 0

        process.wait_for(is_let_go, timeout=60)
        grown = process.rss_bytes() - memory
        assert grown < 64 << 20 or not counts_memory  # a sanitizer keeps what is freed
        stuck.close()


def test_the_gateway_stops_with_clients_connected(folder):
    with Gateway(folder) as gateway:
        sock = connect(gateway, {"topics": ["tasks"]})
        start = time.monotonic()
        assert gateway.processes["gateway"].stop() == 0
        assert time.monotonic() - start < 10
        sock.close()

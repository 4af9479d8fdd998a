"""Events of our own amid the load, and how long it takes until they are seen.

A probe is a task-sent, sent by Celery's own dispatcher; its time is taken before it
is published. It is committed when GET /api/v1/tasks/ID finds it, which is asked
every 5 ms; it is on the screen when a WebSocket that is subscribed to probes has it.
All clocks are this machine's.
"""

import http.client
import json
import threading
import time
import uuid

import celery
import websocket

NAME = "bench.probe"
INTERVAL = 0.005


def percentiles(values):
    """p50, p95, p99 and the greatest, by nearest rank."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0}

    def at(share):
        return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
    return {"count": len(ordered), "p50": at(0.50), "p95": at(0.95), "p99": at(0.99),
            "max": ordered[-1]}


class Probe:
    """Use as a context manager."""

    def __init__(self, broker_url, port):
        self.app = celery.Celery(broker=broker_url, set_as_current=False)
        self.port = port
        self.sent = {}  # id: when, monotonic
        self.lost = 0

    def __enter__(self):
        self.connection = self.app.connection_for_write()
        self.dispatcher = self.app.events.Dispatcher(self.connection, hostname="probe@bench")
        self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        return self

    def __exit__(self, *_):
        self.http.close()
        self.connection.close()

    def send(self):
        ident = str(uuid.uuid4())
        self.sent[ident] = time.monotonic()
        self.dispatcher.send("task-sent", uuid=ident, root_id=ident, parent_id=None, name=NAME,
                             args="()", kwargs="{}", retries=0, eta=None, expires=None,
                             queue="probe", exchange="", routing_key="probe")
        return ident

    def is_there(self, ident):
        self.http.request("GET", f"/api/v1/tasks/{ident}")
        answer = self.http.getresponse()
        answer.read()
        return answer.status == 200

    def one(self, timeout):
        """Seconds from publish to committed of one event; None when it is not there in time."""
        ident = self.send()
        began = self.sent[ident]
        while time.monotonic() - began < timeout:
            if self.is_there(ident):
                return time.monotonic() - began
            time.sleep(INTERVAL)
        self.lost += 1
        return None

    def run(self, stop, pause, timeout=30):
        """One after the other until the event stop is set; [(when, seconds)]."""
        seen = []
        while not stop.is_set():
            took = self.one(timeout)
            if took is not None:
                seen.append((time.monotonic(), took))
            stop.wait(pause)
        return seen


class Screen:
    """A WebSocket that sees probes; {id: when} in .seen."""

    def __init__(self, port):
        self.seen = {}
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}/api/v1/ws", timeout=1,
                                                  origin=f"http://127.0.0.1:{port}")
        self.socket.send(json.dumps({"type": "subscribe", "topics": ["tasks"],
                                     "filter": {"name": NAME}}))
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise TimeoutError("no answer to subscribe")

    def _read(self):
        while not self._stop.is_set():
            try:
                text = self.socket.recv()
            except websocket.WebSocketTimeoutException:
                continue
            now = time.monotonic()
            frame = json.loads(text)
            if frame["type"] == "subscribed":
                self._ready.set()
            elif frame["type"] in ("task:created", "task:updated"):
                for item in frame["items"]:
                    self.seen.setdefault(item["id"], now)

    def close(self):
        self._stop.set()
        self._thread.join()
        self.socket.close()


class Watch:
    """Probes in a thread of their own; stop() tells what they have seen."""

    def __init__(self, broker_url, port, pause, screen=False):
        self._stop = threading.Event()
        self._pause = pause
        self.probe = Probe(broker_url, port).__enter__()
        self.screen = Screen(port) if screen else None
        self.series = []
        self.error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self.series = self.probe.run(self._stop, self._pause)
        except Exception as error:  # told by stop()
            self.error = error

    def wait(self, seconds):
        """For so long, or until something goes wrong."""
        self._thread.join(seconds)

    def stop(self):
        self._stop.set()
        self._thread.join()
        if self.error:
            raise self.error
        told = {"committed": percentiles([took for _, took in self.series]),
                "series": [round(took, 4) for _, took in self.series], "not_seen": self.probe.lost}
        if self.screen:
            time.sleep(1)  # a tick of the gateway, and more
            self.screen.close()
            told["screen"] = percentiles([self.screen.seen[one] - at
                                          for one, at in self.probe.sent.items()
                                          if one in self.screen.seen])
        self.probe.__exit__()
        return told

"""The gateway before a storage that answers made-up things (gateway/fake_storage.c)."""

import json
import pathlib
import socket
import urllib.request

import rig
from rig.kanchi import bin_folder, service_environment

ROOT = pathlib.Path(__file__).parents[1]


class Gateway(rig.Kanchi):
    """Use as a context manager. storage=False: nobody answers its questions."""

    def __init__(self, folder, config=None, storage=True):
        super().__init__(folder, config={"gateway": config or {}})
        self.data.mkdir(exist_ok=True)
        (self.data / "bus").mkdir(exist_ok=True)
        self.with_storage = storage

    def __enter__(self):
        if self.with_storage:
            self.start_storage()
        gateway = self.start("gateway")
        gateway.wait_for(self.is_ready if self.with_storage else self.is_listening)
        return self

    def start_storage(self):
        program = bin_folder().parent / "tests" / "gateway_fake_storage"
        names = ("storage.ipc", "storage-feed.ipc", "metrics.ipc", "control-default.ipc")
        self.processes["storage"] = rig.Process(
            [program, *(f"ipc://{self.data}/bus/{name}" for name in names)],
            "storage", self.folder / "storage.log", env=service_environment())

    def is_listening(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def raw(self, data, timeout=10, half_close=True):
        """Sends bytes, and returns what comes until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sock:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            got = b""
            while chunk := sock.recv(65536):
                got += chunk
            return got

    def ask(self, path, method="GET", headers=None, body=None):
        """Status, headers and body, whatever the status is. body: sent as JSON."""
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()


def openapi():
    return json.loads((ROOT / "gateway/openapi.json").read_text())

"""Kanchi's services: all of them by the launcher, or one by one."""

import json
import os
import pathlib
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from .process import Process, RigError, Stoppable, clean_environment, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
SANITIZER = re.compile(r"(ERROR|WARNING): (Address|Thread|Leak)Sanitizer|runtime error:")


def bin_folder(release=False):
    variable = "KANCHI_TEST_RELEASE_BIN" if release else "KANCHI_TEST_BIN"
    preset = "release" if release else "debug"
    return pathlib.Path(os.environ.get(variable, ROOT / "build" / preset / "bin"))


def service_environment(**more):
    return clean_environment(ASAN_OPTIONS="abort_on_error=0:detect_leaks=1",
                             LSAN_OPTIONS=f"suppressions={ROOT}/tests/lsan.supp:"
                                          "print_suppressions=0",
                             UBSAN_OPTIONS="print_stacktrace=1",
                             TSAN_OPTIONS=f"suppressions={ROOT}/tests/tsan.supp", **more)


def tls_bus(folder):
    """The configuration's section bus: ports of our own, with certificates by kanchi certs."""
    certs = folder / "certs"
    subprocess.run([bin_folder() / "kanchi", "certs", certs], check=True, capture_output=True,
                   env=service_environment())
    return {**{name: f"tls+tcp://localhost:{free_port()}"
               for name in ("storage", "storage_feed", "metrics", "control")},
            "ca": str(certs / "ca.pem"), "cert": str(certs / "bus.pem"),
            "key": str(certs / "bus.key")}


class Kanchi(Stoppable):
    """A set of services over one data folder.

    brokers: URLs, or tuples (name, url). Starts nothing: up() runs the launcher,
    start("storage") one service. Everything that was started stops with stop(),
    which raises RigError when a sanitizer has reported something.
    """

    def __init__(self, folder, brokers=(), database=None, config=None, release=False, env=None,
                 data=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.env = service_environment(**(env or {}))
        self.bin = bin_folder(release)
        self.port = free_port()
        self.processes = {}
        self.sections = {
            "brokers": [{"name": one[0], "url": one[1]} if isinstance(one, tuple) else
                        {"name": "default" if not index else f"broker-{index + 1}", "url": one}
                        for index, one in enumerate(brokers)],
            "gateway": {"listen": f"127.0.0.1:{self.port}"},
        }
        if not self.sections["brokers"]:
            del self.sections["brokers"]
        if database:
            self.sections["storage"] = {"database": database}
        for section, keys in (config or {}).items():
            if isinstance(keys, dict):
                self.sections.setdefault(section, {}).update(keys)
            else:
                self.sections[section] = keys
        self.config_path = self.folder / "kanchi.yaml"
        self.write_config()

    def write_config(self):
        """JSON is YAML."""
        self.config_path.write_text(json.dumps({"data": str(self.data), **self.sections}, indent=1))
        self.config_path.chmod(0o600)

    # --- processes ---

    def start(self, service, *options, name=None):
        """One service: "storage", "ingestion" and so on; the Process."""
        name = name or service
        self.data.mkdir(exist_ok=True)
        process = Process([self.bin / f"kanchi-{service}", "--config", self.config_path, *options],
                          f"kanchi-{name}", self.folder / f"{name}.log",
                          env=self.env, cwd=self.folder)
        self.processes[name] = process
        return process

    def launch(self, *options):
        """The launcher; returns at once."""
        process = Process([self.bin / "kanchi", "up", "--config", self.config_path, *options],
                          "kanchi", self.folder / "kanchi.log", env=self.env,
                          cwd=self.folder, stop_timeout=30)
        self.processes["kanchi"] = process
        return process

    def up(self, *options, timeout=30):
        """All services, by the launcher; returns when the gateway is ready."""
        process = self.launch(*options)
        process.wait_for(self.is_ready, timeout)
        return process

    def stop(self):
        for process in reversed(list(self.processes.values())):
            process.stop()
        self.check_reports()

    def check_reports(self):
        for name, process in self.processes.items():
            if SANITIZER.search(process.log()):
                raise RigError(f"a sanitizer reported in {name}:\n{process.log_tail(120)}")

    # --- the gateway ---

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=2) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False

    def get(self, path, **query):
        """The JSON at /api/v1 + path. A list in query repeats its parameter."""
        text = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
        url = f"{self.url}/api/v1{path}" + (f"?{text}" if text else "")
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)

    def ask(self, method, path, body=None, **query):
        """Status and JSON, whatever the status is."""
        text = urllib.parse.urlencode(query, doseq=True)
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}" + (f"?{text}" if text else ""), method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={} if body is None else {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def post(self, path, body=None, **query):
        """The JSON of an answer that must be a good one."""
        status, answer = self.ask("POST", path, body or {}, **query)
        if status >= 300:
            raise RigError(f"POST {path}: {status} {answer}")
        return answer

    def all_items(self, path, **query):
        """Every item of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

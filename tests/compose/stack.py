"""A stack of Compose files, and what one asks of it from outside."""

import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COMPOSE = ROOT / "compose"
SERVICES = ("storage", "aggregation", "ingestion", "control", "gateway")

sys.path.insert(0, str(HERE.parent))

from rig.process import RigError, free_port, wait_for  # noqa: E402


def run(*words, check=True, timeout=600, **options):
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True,
                          timeout=timeout, **options)
    if check and done.returncode:
        raise RigError(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def docker(*words, **options):
    return run("docker", *words, **options).stdout.strip()


class Stack:
    """Files of compose/ by their names without .yaml, with the brokers of celery.yaml.

    Use as a context manager: everything of it is gone afterwards, volumes too.
    """

    def __init__(self, *files, command=("docker", "compose"), celery=True, **settings):
        self.name = "kanchitest"
        self.command = command
        self.files = [COMPOSE / f"{file}.yaml" for file in files]
        self.files += [HERE / "celery.yaml"] if celery else []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ, "COMPOSE_PROJECT_NAME": self.name, "POSTGRES_PASSWORD": "p@ss /%w",
            "KANCHI_LISTEN": f"127.0.0.1:{self.port}", "KANCHI_BROKER_URL": "redis://redis:6379/0",
            **settings}

    def compose(self, *words, **options):
        files = [word for file in self.files for word in ("-f", file)]
        return run(*self.command, "--project-directory", COMPOSE, *files, *words,
                   env=self.environment, **options).stdout

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.compose("ps", "-a", check=False))
            print(self.compose("logs", "--tail", "25", check=False))
        self.compose("down", "-v", "-t", "30", check=False)

    # --- containers ---

    def containers(self, service):
        return sorted(self.compose("ps", "-a", "-q", service).split())

    def container(self, service):
        return self.containers(service)[0]

    def state(self, service, container=None):
        return json.loads(docker("inspect", container or self.container(service)))[0]["State"]

    def running(self):
        """What `up` has started."""
        return self.compose("ps", "--services").split()

    def up(self, *words):
        self.compose("up", "-d", *words)

    def is_healthy(self, service):
        return all(self.state(service, one).get("Health", {}).get("Status") == "healthy"
                   for one in self.containers(service))

    def wait_healthy(self, *services):
        for service in services or SERVICES:
            wait_for(lambda s=service: self.is_healthy(s), 120, f"{service} is healthy")

    def kill(self, service, container=None):
        """As a crash: from outside of Docker, which takes its own kill for a wish."""
        before = self.state(service, container)
        os.kill(before["Pid"], signal.SIGKILL)
        wait_for(lambda: self.state(service, container)["StartedAt"] != before["StartedAt"]
                 and self.state(service, container)["Running"], 30, f"{service} is started again")

    def ready_after(self, service):
        """Seconds from the start of the process until it is ready."""
        container = self.container(service)
        docker("stop", "-t", "30", container)
        code = self.state(service)["ExitCode"]
        if code:
            raise RigError(f"{service} ended with {code} when it was asked to stop")
        docker("start", container)
        found = json.loads(docker("inspect", container))[0]
        begun = datetime.datetime.fromisoformat(found["State"]["StartedAt"][:26]).replace(
            tzinfo=datetime.timezone.utc)
        address = next(iter(found["NetworkSettings"]["Networks"].values()))["IPAddress"]

        def ready():
            with contextlib.suppress(urllib.error.HTTPError):
                return urllib.request.urlopen(f"http://{address}:8081/readyz", timeout=2)
        wait_for(ready, 60, f"{service} is ready", 0.01)
        return (datetime.datetime.now(datetime.timezone.utc) - begun).total_seconds()

    # --- the gateway ---

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return answer.read().decode()

    def is_ready(self):
        with contextlib.suppress(urllib.error.HTTPError, OSError):
            return self.get("/readyz") == "ready\n"
        return False

    def wait_ready(self):
        wait_for(self.is_ready, 120, "the gateway is ready")

    def tasks(self, **query):
        """Every stored task."""
        cursor, text = "", "".join(f"&{key}={value}" for key, value in query.items())
        while True:
            page = json.loads(self.get(f"/api/v1/tasks?limit=200{text}{cursor}"))
            yield from page["items"]
            if not page.get("next_cursor"):
                return
            cursor = f"&cursor={page['next_cursor']}"

    def events(self, task):
        return json.loads(self.get(f"/api/v1/tasks/{task['id']}/events?source={task['source']}"
                                   ))["items"]

    def wait_connected(self, *sources):
        """Until every source is read."""
        def connected():
            found = json.loads(self.get("/api/v1/system"))["ingestion"]
            return all(found.get(name, {}).get("state") == "connected" for name in sources)
        wait_for(connected, 120, f"the brokers {sources} are read")

    # --- Celery ---

    def send(self, count, worker="worker"):
        """Sends count tasks that succeed, from a client in a container; returns their ids."""
        code = ("import sys; from sample_app.app import app\n"
                f"for i in range({count}):"
                " print(app.send_task('shop.order.price', args=[i], queue='default').id)")
        return self.compose("exec", "-T", worker, "python3", "-c", code).split()

    def wait_stored(self, ids, source):
        ids = set(ids)

        def missing():
            return ids - {task["id"] for task in self.tasks(status="success", source=source)}
        wait_for(lambda: not missing(), 90, f"{len(ids)} tasks of {source} are stored")

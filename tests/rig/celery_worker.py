"""Celery workers of several versions, with the sample application or another one."""

import os
import pathlib
import signal
import subprocess
import sys

from .process import Process, clean_environment

ROOT = pathlib.Path(__file__).resolve().parents[2]


def python_of(version="main"):
    """The Python of an environment in tests/requirements: "main" or "celery52"."""
    if version == "main":
        return pathlib.Path(sys.executable)
    cache = pathlib.Path(os.environ.get("KANCHI_DEV_CACHE", ROOT / ".cache"))
    return cache / "venv" / version / "bin" / "python"


def sample_environment(broker_url, backend_url=None, **more):
    """What the sample application and a worker of it need."""
    backend = {"SAMPLE_BACKEND": backend_url} if backend_url else {}
    return clean_environment(SAMPLE_BROKER=broker_url, PYTHONPATH=ROOT / "tests",
                             PYTHONDONTWRITEBYTECODE=1, C_FORCE_ROOT=1, **backend, **more)


def faketime(offset):
    """The environment of a process whose clock is off by so many seconds, such as "+7200"."""
    library = subprocess.run(["faketime", "-f", offset, "printenv", "LD_PRELOAD"],
                             capture_output=True, text=True, check=True).stdout.strip()
    return {"LD_PRELOAD": library, "FAKETIME": offset}


class CeleryWorker:
    """A worker; its name is NAME@HOST. events: whether it sends task events; clock: see faketime."""

    def __init__(self, folder, broker_url, name="worker", version="main", queues=("default",),
                 pool="prefork", concurrency=2, events=True, backend_url=None, app="sample_app.app",
                 options=(), env=None, host="kanchi-test", clock=None):
        self.hostname = f"{name}@{host}"
        folder = pathlib.Path(folder)
        argv = [python_of(version), "-m", "celery", "-A", app, "worker", "-n", self.hostname,
                "-Q", ",".join(queues), "-P", pool, "-c", str(concurrency), "-l", "INFO", *options]
        if events:
            argv.append("-E")
        self.process = Process(argv, f"celery {name}", folder / f"celery-{name}.log",
                               env=sample_environment(broker_url, backend_url, **(env or {}),
                                                      **(faketime(clock) if clock else {})),
                               cwd=folder, stop_timeout=20)

    def wait_ready(self, timeout=40):
        self.process.wait_for(lambda: f"{self.hostname} ready." in self.process.log(), timeout)
        return self

    def stop(self):
        return self.process.stop()

    def kill(self):
        self.process.kill()

    def pause(self):
        self.process.send(signal.SIGSTOP)

    def resume(self):
        self.process.send(signal.SIGCONT)

    def __enter__(self):
        return self.wait_ready()

    def __exit__(self, *_):
        self.stop()

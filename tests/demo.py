#!/usr/bin/env python3
"""`./dev demo`: Kanchi beside a private Redis and a sample application with real traffic.

Everything is in a temporary folder, on free ports, and is gone when this ends.
"""

import argparse
import errno
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import rig  # noqa: E402
from rig.celery_worker import sample_environment  # noqa: E402
from rig.process import RigError  # noqa: E402

WORKERS = (
    # name, queues, pool, concurrency
    ("web", ("default", "priority"), "prefork", 2),
    ("mail", ("mail",), "threads", 4),
    ("reports", ("reports",), "prefork", 2),
)


def stop(*_):
    raise KeyboardInterrupt


def port_to_listen():
    """8080 when it is free: people know it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8080))
            return 8080
        except OSError:
            return rig.free_port()


def start_all(folder, options, started):
    say("starting a private Redis")
    server = rig.Redis(folder / "redis")
    started.append(server.process)
    broker, backend = server.url(0), server.url(1)

    say("starting " + ", ".join(f"worker {name}" for name, *_ in WORKERS) + ", beat and traffic")
    for name, queues, pool, concurrency in WORKERS:
        worker = rig.CeleryWorker(folder, broker, name=name, queues=queues, pool=pool,
                                  concurrency=concurrency, backend_url=backend, host="demo")
        started.append(worker.process)
    environment = sample_environment(broker, backend)
    started.append(rig.Process(
        [sys.executable, "-m", "celery", "-A", "sample_app.app", "beat", "-s", folder / "beat"],
        "celery beat", folder / "celery-beat.log", env=environment, cwd=folder))
    started.append(rig.Process(
        [sys.executable, "-m", "sample_app.traffic", "--rate", str(options.rate)],
        "traffic", folder / "traffic.log", env=environment, cwd=folder))
    say("starting Kanchi")
    kanchi = rig.Process(
        [options.bin / "kanchi", "up", "--broker", f"demo={broker}", "--data", folder / "data",
         "--listen", options.listen or f"127.0.0.1:{port_to_listen()}", "--log.level", "warn"],
        "kanchi", folder / "kanchi.log",
        stop_timeout=30)
    started.append(kanchi)
    return kanchi


def say(text):
    print(f"==> {text}", flush=True)


def follow(kanchi, started, until=None):
    """Shows what Kanchi says, until one process ends or the time has come."""
    shown = 0
    while until is None or time.monotonic() < until:
        text = kanchi.log()
        print(text[shown:], end="", flush=True)
        shown = len(text)
        for process in started:
            if not process.running:
                print(f"{process.name} has ended ({process.exit_code}):\n{process.log_tail()}")
                return 1
        time.sleep(0.3)
    return 0


def follow_then(kanchi, started, options):
    """For --then: lets the traffic run for a while, and runs a command on what came of it."""
    ended = follow(kanchi, started, time.monotonic() + options.after)
    return ended or subprocess.run(options.then, shell=True, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, default=rig.kanchi.bin_folder(release=True))
    parser.add_argument("--listen", help="HOST:PORT; 127.0.0.1:8080, or a free port if that is taken")
    parser.add_argument("--rate", type=float, default=8.0, help="tasks a second, about")
    parser.add_argument("--then", metavar="COMMAND", help="run this in a shell after a while, and stop")
    parser.add_argument("--after", type=float, default=120, help="how long the while is, in seconds")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    started = []
    with tempfile.TemporaryDirectory(prefix="kanchi-demo-") as name:
        os.environ["TMPDIR"] = name  # a pool that is killed leaves its own folder behind
        try:
            kanchi = start_all(pathlib.Path(name), options, started)
            return follow_then(kanchi, started, options) if options.then else follow(kanchi, started)
        except KeyboardInterrupt:
            return 0
        except RigError as error:
            print(error, file=sys.stderr)
            return 1
        except OSError as error:
            if error.errno != errno.EIO:  # the terminal is gone
                raise
            return 0
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            try:
                print("\n==> stopping everything", flush=True)
            except OSError:  # so that what is left of it can be written when Python ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            for process in started[1:]:
                process.send(signal.SIGTERM)
            for process in reversed(started):
                process.stop()


if __name__ == "__main__":
    sys.exit(main())

"""A broker, a database and Kanchi's services, and all that can happen to them.

Services are started one by one, not by the launcher: what ends is started again at once,
so that a run has time for many kills.
"""

import os
import pathlib
import random
import signal
import time
import urllib.parse

import rig

from .check import check
from .publisher import RabbitPublisher, RedisPublisher

SERVICES = ("storage", "ingestion", "aggregation", "control", "gateway")


def tree(pid):
    """A process and its descendants, parents first."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def send_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


class Stage:
    """broker: "redis" or "rabbitmq"; database: "sqlite" or "postgresql". Use as a context manager."""

    def __init__(self, folder, broker, database, seed, rate=1500, release=False, ingestions=1,
                 persistent=True, config=None, env=None, data=None, broker_options=(),
                 launcher=False):
        self.folder = folder
        self.seed = seed
        self.random = random.Random(seed)
        self.kills = 0
        self.story = []  # what was done
        self.kind = broker
        self.broker = rig.Redis(folder / "broker", options=broker_options) if broker == "redis" else \
            rig.RabbitMQ(folder / "broker")
        self.postgres = rig.Postgres(folder / "postgres") if database == "postgresql" else None
        self.broker_proxy = rig.Proxy(self.broker.port)
        self.database_proxy = rig.Proxy(self.postgres.port) if self.postgres else None
        url = self._through(self.broker.url(), self.broker_proxy)
        self.check_url = self.postgres.create_database() if self.postgres else None
        through = self._through(self.check_url, self.database_proxy) if self.postgres else None
        self.kanchi = rig.Kanchi(folder / "kanchi", [url], database=through, config=config,
                                 release=release, env=env, data=data)
        self.check_url = self.check_url or f"sqlite:{self.kanchi.data}/kanchi.db"
        self.wanted = {name: (name, ()) for name in SERVICES}
        for number in range(2, ingestions + 1):
            self.wanted[f"ingestion-{number}"] = ("ingestion", ("--ingestion.instance", f"no{number}"))
        if launcher:
            self.wanted = {"kanchi": ("kanchi", ())}
        self.held = set()  # services that stay down for now
        make = RedisPublisher if broker == "redis" else RabbitPublisher
        more = {} if broker == "redis" else {"persistent": persistent}
        self.publisher = make(self.broker.port, seed, rate, **more)

    @staticmethod
    def _through(url, proxy):
        parts = urllib.parse.urlsplit(url)
        return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()

    def __enter__(self):
        try:
            self.tend()
            self.wait_connected()
        except BaseException:
            self.close()
            raise
        self.publisher.resume()
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(f"seed {self.seed}, {self.kills} kills: " + "; ".join(self.story[-20:]))
        self.close()

    def close(self):
        self.publisher.close()
        for proxy in filter(None, (self.broker_proxy, self.database_proxy)):
            proxy.close()
        try:
            self.kanchi.stop()
        finally:
            self.broker.stop()
            if self.postgres:
                self.postgres.stop()

    # --- keeping it alive ---

    def tend(self):
        """Starts what is to run and does not."""
        for name, (service, options) in self.wanted.items():
            process = self.kanchi.processes.get(name)
            if name in self.held or (process and process.running):
                continue
            # storage ends when its database is away at the start, each when its bus is stuck
            may_fail = process and (service == "storage" or "bus.stuck" in process.log())
            fine = (-signal.SIGKILL, 1) if may_fail else (-signal.SIGKILL,)
            if process and process.exit_code not in fine:
                raise rig.RigError(f"{name} ended with {process.exit_code}:\n{process.log_tail(80)}")
            if service == "kanchi":
                self.kanchi.launch()
            else:
                self.kanchi.start(service, *options, name=name)

    def wait(self, condition, what, timeout=60):
        def tended():
            self.tend()
            return condition()
        return rig.wait_for(tended, timeout, what, interval=0.1)

    def source(self):
        return self.kanchi.get("/system")["ingestion"]["default"]

    def wait_connected(self):
        self.wait(lambda: self.kanchi.is_ready() and self.source()["state"] == "connected",
                  "connected to the broker", 90)

    def traffic(self, events, timeout=120):
        """Returns when so many more events were published."""
        until = self.publisher.events + events
        self.wait(lambda: self.publisher.events >= until, f"{events} more events", timeout)

    def some_traffic(self, most=3000):
        self.traffic(self.random.randrange(100, most))

    def settle(self, may_lose=False, timeout=90):
        """Everything is up again, and what is stored is what was published; the figures."""
        self.wait_connected()
        self.traffic(300)
        self.publisher.pause()
        figures = self.wait(lambda: check(self.check_url, self.publisher, may_lose),
                            "the events are stored", timeout)
        assert self.wait(lambda: self.source()["backlog_events"] == 0, "an empty backlog") is True
        self.publisher.resume()
        return figures

    def memory(self):
        """Resident MB of each service."""
        return {name: process.rss_bytes() >> 20 for name, process in self.kanchi.processes.items()
                if process.running}

    # --- what can happen ---

    def note(self, text):
        self.story.append(f"{text} at {self.publisher.events}")

    def kill(self, name):
        """A service ends without a goodbye, and comes back at once or later."""
        self.note(f"kill {name}")
        self.kills += 1
        self.kanchi.processes[name].kill()
        if self.random.random() < 0.5:
            self.held.add(name)
            self.some_traffic()
            self.held.discard(name)
        self.tend()

    def kill_child(self, child):
        """A service of the launcher's, which starts it again."""
        self.note(f"kill {child} below the launcher")
        for pid in tree(self.kanchi.processes["kanchi"].pid)[1:]:
            if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(
                    f"/kanchi-{child}".encode()):
                self.kills += 1
                os.kill(pid, signal.SIGKILL)

    def kill_launcher(self):
        """It alone: what it has started learns of it from the kernel."""
        self.note("kill the launcher")
        self.kills += 1
        process = self.kanchi.processes["kanchi"]
        process.send(signal.SIGKILL)
        process.wait()
        self.tend()

    def freeze(self, name):
        """A service stands still."""
        self.note(f"stop {name}")
        process = self.kanchi.processes[name]
        process.send(signal.SIGSTOP)
        try:
            self.some_traffic(6000)
        finally:
            process.send(signal.SIGCONT)
        self.note(f"continue {name}")

    def kill_broker(self):
        self.note("kill the broker")
        self.kills += 1
        self.broker.process.kill()
        self.broker.start()

    def freeze_broker(self, seconds=None):
        self.note("stop the broker")
        pids = tree(self.broker.process.pid)
        send_all(pids, signal.SIGSTOP)
        time.sleep(seconds or self.random.uniform(0.2, 2))  # nothing moves meanwhile
        send_all(pids, signal.SIGCONT)
        self.note("continue the broker")

    def kill_postgres(self):
        how = self.random.choice((signal.SIGKILL, signal.SIGQUIT))
        self.note(f"{how.name} to PostgreSQL")
        self.kills += 1
        self.postgres.process.send(how)
        self.postgres.process.wait()
        if self.random.random() < 0.5:
            self.some_traffic()
        self.postgres.start_again()

    def freeze_postgres(self):
        self.note("stop PostgreSQL")
        pids = tree(self.postgres.process.pid)
        send_all(pids, signal.SIGSTOP)
        try:
            self.some_traffic(5000)
        finally:
            send_all(pids, signal.SIGCONT)
        self.note("continue PostgreSQL")

    def disturb(self, proxy, what):
        """Cuts, stalls or slows the connections of a proxy."""
        self.note(f"{what} {'the database' if proxy is self.database_proxy else 'the broker'}")
        if what == "cut":
            proxy.cut()
        elif what == "slow":
            proxy.slow(self.random.randrange(1, 200))
        else:
            getattr(proxy, what)()
        self.some_traffic()
        proxy.heal()

    DISTURBANCES = ("cut", "cut", "refuse", "orphan", "stall", "slow")

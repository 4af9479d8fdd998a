#!/usr/bin/env python3
"""`./dev compose-test`: the shipped image and Compose files, really started.

Each step is a function; their names are what the command line takes.
"""

import json
import os
import shutil
import sys
import time

from stack import COMPOSE, ROOT, SERVICES, Stack, docker, run, wait_for

OVERLAYS = ("demo", "two-brokers", "monitoring")
IMAGE_MAX = 80e6  # over its base
NOT_IN_IT = ("gcc", "cc", "make", "cmake", "npm", "node", "git", "curl", "python3")


def say(text):
    print(f"==> {text}", flush=True)


def image():
    """Builds it: small, without tools, and not for root."""
    authority = os.environ.get("NODE_EXTRA_CA_CERTS")
    secret = ("--secret", f"id=ca,src={authority}") if authority else ()
    begun = time.monotonic()
    run("docker", "build", *secret, "-t", "kanchi", ROOT, timeout=3600)
    run("docker", "build", "-t", "kanchi-sample", ROOT / "tests" / "sample_app", timeout=1800)
    sizes = [int(docker("image", "inspect", "-f", "{{.Size}}", name))
             for name in ("kanchi", "debian:trixie-slim")]
    say(f"image: built in {time.monotonic() - begun:.0f} s, {sizes[0] / 1e6:.1f} MB, "
        f"{(sizes[0] - sizes[1]) / 1e6:.1f} MB over its base")
    assert sizes[0] - sizes[1] < IMAGE_MAX
    config = json.loads(docker("image", "inspect", "kanchi"))[0]["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.title"] == "Kanchi"
    found = docker("run", "--rm", "kanchi", "sh", "-c",
                   f"for p in {' '.join(NOT_IN_IT)}; do command -v $p || true; done; id -u")
    assert found == "10001", found


def config():
    """Every file is accepted, by both Composes where both are there."""
    commands = [("docker", "compose")]
    if shutil.which("docker-compose"):
        commands.append(("docker-compose",))
    environment = {"KANCHI_SECOND_URL": "redis://x/0", "GRAFANA_PASSWORD": "x"}
    for command in commands:
        for files in (("embedded",), ("compose",), *(("compose", name) for name in OVERLAYS)):
            Stack(*files, command=command, celery=False, **environment).compose("config", "-q")
    say(f"config: clean for {' and '.join(' '.join(command) for command in commands)}")


def websocket(stack):
    """A new task is told to a WebSocket."""
    import websocket as client
    socket = client.create_connection(stack.url.replace("http", "ws") + "/api/v1/ws", timeout=30)
    try:
        socket.send(json.dumps({"type": "subscribe", "topics": ["tasks"]}))
        ids = set(stack.send(1))

        def told():
            return any(task in socket.recv() for task in ids)
        wait_for(told, 30, "a task on the WebSocket")
        return ids
    finally:
        socket.close()


def default():
    """Traffic, REST, WebSocket, dashboard; kills; everything there after a restart."""
    with Stack("compose") as stack:
        begun = time.monotonic()
        stack.up()
        stack.wait_healthy()
        say(f"default: all healthy after {time.monotonic() - begun:.0f} s")
        stack.wait_connected("default")
        ids = set(stack.send(50)) | websocket(stack)
        stack.wait_stored(ids, "default")
        assert '<div id="__nuxt">' in stack.get("/")
        for service in ("storage", "aggregation", "control", "gateway", "postgres"):
            stack.kill(service)
            ids |= set(stack.send(20))
        stack.wait_ready()
        stack.wait_stored(ids, "default")
        stack.kill("ingestion")
        stack.wait_healthy()
        stack.wait_connected("default")
        ids |= set(stack.send(20))
        stack.wait_stored(ids, "default")
        say(f"default: {len(ids)} tasks stored across kills of every container")
        took = {name: stack.ready_after(name) for name in SERVICES}
        say("default: ready after " + ", ".join(f"{name} {s:.1f} s" for name, s in took.items()))
        # storage away: ingestion keeps what it has, on its volume too
        stack.compose("stop", "storage")
        ids |= set(stack.send(20))
        stack.compose("stop", "ingestion")
        stack.compose("down", "-t", "30")
        stack.up()
        stack.wait_healthy()
        stack.wait_stored(ids, "default")
        assert all(line.startswith("{") for name in SERVICES
                   for line in docker("logs", stack.container(name)).splitlines())
        say(f"default: all {len(ids)} tasks stored after a restart of the whole")


def two_brokers():
    with Stack("compose", "two-brokers", KANCHI_BROKER_NAME="shop", KANCHI_SECOND_NAME="mail",
               KANCHI_SECOND_URL="amqp://test:test@rabbitmq:5672//") as stack:
        stack.up()
        stack.wait_healthy(*SERVICES, "ingestion-second", "control-second")
        stack.wait_connected("shop", "mail")
        sent = {"shop": set(stack.send(30)), "mail": set(stack.send(30, "worker-rabbitmq"))}
        for source, ids in sent.items():
            stack.wait_stored(ids, source)
        found = {task["id"]: task["source"] for task in stack.tasks()}
        assert found == {one: source for source, ids in sent.items() for one in ids}
    say("two-brokers: every task carries its source")


def scaled(broker):
    """Two ingestions of one broker, by --scale; either is killed."""
    url = "redis://redis:6379/0" if broker == "redis" else "amqp://test:test@rabbitmq:5672//"
    worker = "worker" if broker == "redis" else "worker-rabbitmq"
    with Stack("compose", KANCHI_BROKER_URL=url) as stack:
        stack.up("--scale", "ingestion=2")
        stack.wait_healthy()
        stack.wait_connected("default")
        ids = set(stack.send(50, worker))
        stack.wait_stored(ids, "default")
        both = stack.containers("ingestion")
        assert len(both) == 2
        for one in both:
            stack.kill("ingestion", one)
            ids |= set(stack.send(50, worker))
            stack.wait_healthy("ingestion")
        stack.wait_stored(ids, "default")
        for task in stack.tasks():
            # control may have found the task waiting, too, and noted that beside its events
            types = [event["type"] for event in stack.events(task) if event["origin"] == "events"]
            assert len(types) == len(set(types)), (task["id"], types)
            assert {"task-received", "task-started", "task-succeeded"} <= set(types)
    say(f"scaled: each event of {len(ids)} tasks of {broker} stored once, either ingestion killed once")


def scaled_redis():
    scaled("redis")


def scaled_rabbitmq():
    scaled("rabbitmq")


def demo():
    with Stack("compose", "demo", celery=False) as stack:
        stack.up()
        stack.wait_healthy(*SERVICES, "ingestion-rabbitmq", "control-rabbitmq")
        for source in ("redis", "rabbitmq"):
            wait_for(lambda s=source: len(list(stack.tasks(source=s, status="success"))) > 20, 90,
                     f"tasks of {source}")
    say("demo: tasks of both brokers")


def monitoring():
    """Grafana is started where its image is."""
    from rig.process import free_port
    port = free_port()
    grafana = not run("docker", "image", "inspect", "grafana/grafana:11.1.0", check=False).returncode
    with Stack("compose", "monitoring", GRAFANA_PASSWORD="x",
               PROMETHEUS_LISTEN=f"127.0.0.1:{port}") as stack:
        stack.up(*SERVICES, "redis", "prometheus", *(["grafana"] if grafana else []))
        stack.wait_healthy()
        stack.url, gateway = f"http://127.0.0.1:{port}", stack.url

        def targets():
            found = json.loads(stack.get("/api/v1/targets"))["data"]["activeTargets"]
            return len(found) == 6 and all(one["health"] == "up" for one in found)
        wait_for(targets, 60, "all targets of Prometheus are up")
        assert json.loads(stack.get("/api/v1/rules"))["data"]["groups"][0]["rules"]
        stack.url = gateway
    say("monitoring: Prometheus reads all" + ("" if grafana else "; Grafana: skipped, no image"))


def embedded():
    with Stack("embedded") as stack:
        stack.up()
        stack.wait_healthy("kanchi")
        stack.wait_connected("default")
        ids = set(stack.send(30))
        stack.wait_stored(ids, "default")
        stack.kill("kanchi")
        stack.wait_ready()
        stack.wait_connected("default")
        ids |= set(stack.send(30))
        stack.wait_stored(ids, "default")
        stack.compose("down", "-t", "60")
        stack.up()
        stack.wait_healthy("kanchi")
        stack.wait_stored(ids, "default")
        assert stack.state("kanchi")["Running"]
    say(f"embedded: all {len(ids)} tasks stored after a kill and a restart")


def old_compose():
    """The default file by docker-compose 1.29."""
    if not shutil.which("docker-compose"):
        say("old_compose: skipped, there is no docker-compose")
        return
    with Stack("compose", command=("docker-compose",)) as stack:
        stack.up()
        stack.wait_healthy()
        stack.wait_connected("default")
        stack.wait_stored(stack.send(10), "default")
    say("old_compose: works")


STEPS = (image, config, default, two_brokers, scaled_redis, scaled_rabbitmq, demo, monitoring, embedded, old_compose)


def main():
    if not shutil.which("docker") or run("docker", "info", check=False).returncode:
        say("compose-test: SKIPPED, no Docker engine answers (./dev help: --own-engine)")
        return 0
    if run("docker", "compose", "version", check=False).returncode:
        say("compose-test: SKIPPED, there is no docker compose")
        return 0
    names = sys.argv[1:] or [step.__name__ for step in STEPS]
    unknown = set(names) - {step.__name__ for step in STEPS}
    if unknown:
        sys.exit(f"there are no steps {unknown}")
    begun = time.monotonic()
    assert COMPOSE.is_dir()
    for step in STEPS:
        if step.__name__ in names:
            step()
    say(f"compose-test: {len(names)} steps passed in {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

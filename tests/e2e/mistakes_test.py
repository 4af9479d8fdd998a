"""A wrong configuration: each service alone says one clear sentence, at once, and a code."""

import json
import socket
import subprocess
import time

import pytest
import rig
from rig.kanchi import bin_folder, service_environment

SERVICES = ("storage", "ingestion", "aggregation", "control", "gateway")
TAKEN = object()


def run(service, folder, config, *words):
    path = folder / "kanchi.yaml"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    start = time.monotonic()
    done = subprocess.run([bin_folder() / f"kanchi-{service}", "--config", path, *words], cwd=folder,
                          env=service_environment(), capture_output=True, text=True, timeout=20)
    done.seconds = time.monotonic() - start
    return done


def check(done, *words):
    said = done.stderr.strip()
    assert done.returncode not in (0, None) and done.returncode > 0, said
    assert "Sanitizer" not in said, said
    sentences = [line for line in said.splitlines() if line.startswith("kanchi-")]
    assert len(sentences) == 1 and sentences[0] == said.splitlines()[-1], f"not one sentence:\n{said}"
    for word in words:
        assert word in sentences[0], f"{word!r} is not in: {said}"
    assert done.seconds < 3, f"{done.seconds:.1f} s"  # a second; sanitizers take their part


@pytest.mark.parametrize("service", SERVICES)
def test_an_unknown_key_is_named_with_its_line(folder, service):
    check(run(service, folder, "data: d\nstorage:\n  writers: 2\n"), "kanchi.yaml:3", "storage.writers",
          "unknown key")


@pytest.mark.parametrize("service", SERVICES)
def test_a_bad_value_is_named(folder, service):
    check(run(service, folder, "data: d\nstorage:\n  readers: many\n"), "kanchi.yaml:3", "storage.readers")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("url", ["http://localhost", "redis://host:port/0", "amqp://host:99999//",
                                 "localhost:6379"])
def test_a_bad_url_is_named(folder, service, url):
    check(run(service, folder, {"data": "d", "brokers": [{"url": url}]}), "url")


@pytest.mark.parametrize("service", SERVICES)
def test_a_file_that_is_no_yaml_is_named(folder, service):
    check(run(service, folder, "data: [d\n  x: }\n"), "kanchi.yaml")


@pytest.mark.parametrize("service", ("storage", "aggregation"))
def test_a_folder_that_cannot_be_written_is_named(folder, service):
    check(run(service, folder, {"data": "/proc/kanchi", "brokers": [{"url": "redis://127.0.0.1:1/0"}]}),
          "/proc/kanchi")


def test_a_taken_port_is_named(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        check(run("gateway", folder, {"data": "d", "gateway": {"listen": address}}), address)


def test_a_database_that_is_not_there_is_named(folder):
    url = f"postgresql://kanchi:hidden-word@127.0.0.1:{rig.free_port()}/kanchi"
    done = run("storage", folder, {"data": "d", "storage": {"database": url}})
    check(done, "refused")
    assert "hidden-word" not in done.stderr


def test_a_database_that_refuses_is_named(folder, postgres_url):
    url = postgres_url.replace("kanchi:kanchi@", "kanchi:wrong-secret@")
    done = run("storage", folder, {"data": "d", "storage": {"database": url}})
    check(done, "password authentication failed")
    assert "wrong-secret" not in done.stderr


def test_a_database_file_that_is_none_is_named(folder):
    (folder / "d").mkdir()
    (folder / "d" / "kanchi.db").write_text("this is no database, but a text that is long enough " * 50)
    check(run("storage", folder, {"data": "d"}), "kanchi.db")

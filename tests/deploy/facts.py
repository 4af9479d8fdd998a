"""What the programs accept, asked of the programs; and what the Dockerfile gives them."""

import functools
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import memory  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KANCHI_TEST_BIN", ROOT / "build" / "debug" / "bin"))


def _say(*words):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KANCHI_")}
    return subprocess.run([str(word) for word in words], text=True, capture_output=True, check=True,
                          timeout=20, env=environment).stdout


VARIABLES = frozenset(re.findall(r"`(KANCHI_[A-Z_]+)` \|$", _say(BIN / "kanchi", "config-doc"), re.M))
PROGRAMS = frozenset(path.name for path in BIN.glob("kanchi-*") if path.is_file())
WORDS = frozenset(re.findall(r"^  (\S+) +\S", _say(BIN / "kanchi", "help"), re.M))

_DOCKERFILE = (ROOT / "Dockerfile").read_text()
IMAGE_ENVIRONMENT = dict(re.findall(r"\b(KANCHI_\w+)=(\S+)", _DOCKERFILE))
IMAGE_PORTS = frozenset(int(port) for port in
                        re.search(r"^EXPOSE (.*)$", _DOCKERFILE, re.M)[1].split())

# Where each service listens on the bus; who dials where: docs/deployment.md.
BINDS = {"storage": ("KANCHI_BUS_STORAGE", "KANCHI_BUS_STORAGE_FEED"),
         "aggregation": ("KANCHI_BUS_METRICS",), "control": ("KANCHI_BUS_CONTROL",)}
DIALS = {"ingestion": ("KANCHI_BUS_STORAGE",), "control": ("KANCHI_BUS_STORAGE",),
         "aggregation": ("KANCHI_BUS_STORAGE", "KANCHI_BUS_STORAGE_FEED"),
         "gateway": ("KANCHI_BUS_STORAGE", "KANCHI_BUS_STORAGE_FEED", "KANCHI_BUS_METRICS",
                     "KANCHI_BUS_CONTROL")}


def address(url):
    """Host and port of a bus address; None when it is none that leaves the machine."""
    found = re.fullmatch(r"tls\+tcp://([^/:]+):(\d+)", url or "")
    return (found[1], int(found[2])) if found else None


def faults_of_memory(limit, command, environment):
    """limit: in MB; command: of one service, or of them all."""
    if faults_of_environment(environment):
        return []  # these are told already
    bounds = memory.bounds(environment)
    words = command or ["?"]
    need = sum(bounds.values()) if words == ["kanchi", "up"] else bounds.get(words[0].removeprefix("kanchi-"), 0)
    return [] if limit > need else [f"is below the {need} MB of docs/memory.md"]


def faults_of_command(words):
    if not words:
        return ["has no command"]
    if words[0] == "kanchi":
        return [] if words[1:2] and words[1] in WORDS else [f"kanchi has no command {words[1:2]}"]
    return [] if words[0] in PROGRAMS else [f"there is no program {words[0]}"]


def faults_of_environment(environment):
    """environment as the process has it. The program reads it as it would at its start."""
    unknown = sorted(key for key in environment
                     if key.startswith("KANCHI_") and key not in VARIABLES)
    if unknown:
        return [f"no variable of Kanchi: {', '.join(unknown)}"]
    return _faults_of_values(tuple(sorted(
        (key, value) for key, value in environment.items()
        if key.startswith("KANCHI_") and not key.endswith("_FILE"))))  # secrets are not here


@functools.cache
def _faults_of_values(given):
    # nobody answers at this port: what is asked is whether the configuration is read
    done = subprocess.run([str(BIN / "kanchi"), "health"], text=True, capture_output=True, timeout=20,
                          env={"PATH": os.environ["PATH"], **dict(given), "KANCHI_HEALTH_LISTEN": "127.0.0.1:1",
                               "KANCHI_LOG_FORMAT": "text"})
    return [done.stderr.strip()] if done.returncode == 2 else []

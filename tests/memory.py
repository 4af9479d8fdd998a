"""The bounds of docs/memory.md, and how much memory a process took."""

import math
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
KB, MB = 1, 1024  # all sums are in KB
UNITS = {"B": 1 / 1024, "KB": KB, "MB": MB, "GB": 1024 * MB, "": 1}
DEFAULTS = {name: value for value, name in
            re.findall(r"^\| `\w+` \| \w+ \| `(.*?)` \|.*\| `(KANCHI_\w+)` \|$",
                       (ROOT / "docs/configuration.md").read_text(), re.M)}


def size(text):
    """"64MB" in KB; a number as such."""
    number, unit = re.fullmatch(r"(\d+)([KMG]?B|)", text).groups()
    return int(number) * UNITS[unit]


def bounds(environment=None):
    """{"storage": MB, …} for what KANCHI_… variables say, else for the default settings."""
    def of(key):
        name = "KANCHI_" + key.upper().replace(".", "_")
        return size((environment or {}).get(name) or DEFAULTS[name])

    def reply(largest):  # of Redis, as it comes and parsed
        return 2 * (64 * MB + largest)

    sums = {
        "ingestion": 32 * MB + of("ingestion.memory_max") + 2 * of("ingestion.event_max")
        + reply(of("ingestion.event_max")),
        "storage": 64 * MB + 128 * MB + 32 * MB * of("storage.readers"),
        "aggregation": 64 * MB + 2 * of("aggregation.memory_max")
        + KB * (of("aggregation.workers_max") + of("aggregation.queues_max")),
        "control": 32 * MB + of("control.memory_max") + 2 * KB * of("control.workers_max")
        + of("control.reconcile_tasks_max") / 4 + reply(of("control.reply_max")),
        "gateway": 32 * MB + 64 * MB + of("gateway.memory_max") + 4 * KB * of("gateway.connections_max")
        + of("gateway.ws_queue_max") * of("gateway.ws_clients_max") + MB * of("gateway.threads"),
        "launcher": 32 * MB,
    }
    return {name: math.ceil(kb / MB) for name, kb in sums.items()}


def is_sanitized(binaries):
    return b"__asan_init" in (binaries / "kanchi-gateway").read_bytes()


def peak_mb(pid):
    """The most that a process ever had."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) >> 10

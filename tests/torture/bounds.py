"""The bounds of docs/memory.md, for the settings that the tests leave at their defaults."""

import pathlib

from bench.usage import family, name_of

MB = 1
INGESTION = {"memory_max": "64MB"}  # of the tests
REPLY = 2 * (64 + 32) * MB  # a reply of Redis, as it comes and parsed
BOUNDS = {
    "ingestion": 32 + 64 + 2 * 32 + REPLY,
    "storage": 64 + 128 + 4 * 32,
    "aggregation": 64 + 2 * 32 + (10_000 + 10_000) // 1024,
    "control": 32 + 64 + (10_000 * 2 + 100_000 // 4) // 1024 + REPLY,
    "gateway": 32 + 64 + 1024 * 4 // 1024 + 48 * 1 + 64 * 1,
    "launcher": 32,
}


def services(launcher):
    """{"storage": pid, …} of a launcher's process."""
    return {name_of(pid): pid for pid in family(launcher.pid)}


def is_sanitized(binaries):
    return b"__asan_init" in (binaries / "kanchi-gateway").read_bytes()


def peak_mb(pid):
    """The most that a process ever had."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) >> 10


def check(kanchi, launcher, before):
    """No process has ended, and none took more than it may; {"storage": MB, …}."""
    assert services(launcher) == before, "a service has ended"
    peaks = {name: peak_mb(pid) for name, pid in before.items()}
    if not is_sanitized(kanchi.bin):
        beyond = {name: peak for name, peak in peaks.items() if peak > BOUNDS[name]}
        assert not beyond, f"MB beyond docs/memory.md: {beyond}"
    return peaks

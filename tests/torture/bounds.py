"""Whether services keep to the bounds of docs/memory.md."""

from bench.usage import family, name_of
from memory import bounds, is_sanitized, peak_mb

INGESTION = {"memory_max": "64MB"}  # of the tests
BOUNDS = bounds({"KANCHI_INGESTION_MEMORY_MAX": INGESTION["memory_max"]})


def services(launcher):
    """{"storage": pid, …} of a launcher's process."""
    return {name_of(pid): pid for pid in family(launcher.pid)}


def check(kanchi, launcher, before):
    """No process has ended, and none took more than it may; {"storage": MB, …}."""
    assert services(launcher) == before, "a service has ended"
    peaks = {name: peak_mb(pid) for name, pid in before.items()}
    if not is_sanitized(kanchi.bin):
        beyond = {name: peak for name, peak in peaks.items() if peak > BOUNDS[name]}
        assert not beyond, f"MB beyond docs/memory.md: {beyond}"
    return peaks

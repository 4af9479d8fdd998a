"""Sustained rate and burst."""

import statistics

from .probe import Watch
from .stand import Broker, Stand, empty_folder

SETTLE = 900  # seconds, at most


def per_event(usage, events, names=None):
    """µs of CPU by name."""
    return {name: round(seconds * 1e6 / max(events, 1), 3)
            for name, seconds in usage["cpu_seconds"].items() if names is None or name in names}


def kanchi_names(usage):
    return [name for name in usage["cpu_seconds"] if name not in ("redis", "rabbitmq", "load")]


def figures(told, usage, compared):
    """The part of a result that all of them have."""
    each = per_event(usage, told["events"])
    return {"sent": {key: told[key] for key in ("tasks", "events", "messages", "bytes", "seconds",
                                                "rate", "cpu_seconds", "unsure_events")},
            "compared": compared, "usage": usage, "cpu_us_per_event": each,
            "cpu_us_per_event_all": round(sum(each[name] for name in kanchi_names(usage)), 3)}


def is_steady(series):
    """Whether the time to the commit does not grow: the last quarter beside the second."""
    quarter = len(series) // 4
    if quarter < 2:
        return False
    before = statistics.median(series[quarter:2 * quarter])
    after = statistics.median(series[-quarter:])
    return after < 2 * before + 0.25


def sustained(kind, database, rate, seconds, **options):
    """The load at a rate, and whether everything was stored as it came."""
    with empty_folder() as folder:
        broker = Broker(folder, kind)
        try:
            with Stand(folder, broker, database) as stand:
                meter = stand.meter()
                watch = Watch(broker.url, stand.kanchi.port, pause=1)
                load = stand.load(rate=rate, seconds=seconds, **options)
                told = load.wait(seconds * 4 + 60)
                latency = watch.stop()
                drain = stand.settle(SETTLE)
                usage = meter.stop()
                result = figures(told, usage, stand.compare(told))
                result.update(broker=kind, database=database, asked_rate=rate, command=load.command,
                              latency=latency, drain_seconds=round(drain, 3),
                              database_bytes=stand.database_bytes())
        finally:
            broker.stop()
    complete = result["compared"]["missing"] == 0 and not result["compared"]["wrong_statuses"]
    result["held"] = (complete and is_steady(latency["series"]) and drain < 2 and
                      told["rate"] > 0.97 * rate)
    return result


def burst(kind, database, events, **options):
    """As many events as fast as one publisher can."""
    with empty_folder() as folder:
        broker = Broker(folder, kind)
        try:
            with Stand(folder, broker, database) as stand:
                meter = stand.meter()
                load = stand.load(events=events, **options)
                told = load.wait(600)
                drain = stand.settle(SETTLE)
                usage = meter.stop()
                result = figures(told, usage, stand.compare(told))
                result.update(broker=kind, database=database, command=load.command,
                              drain_seconds=round(drain, 3), database_bytes=stand.database_bytes())
                return result
        finally:
            broker.stop()

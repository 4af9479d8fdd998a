"""What is measured, in which order, and where the results go."""

import datetime
import json
import pathlib

from . import api, flower, latency, machine, report, screen, start, throughput

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "bench-results.json"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
DRAFT = ROOT / "build" / "benchmarks.md"

RATES = (10000, 25000, 50000, 75000, 100000)
PAIRS = (("redis", "sqlite"), ("redis", "postgresql"), ("rabbitmq", "sqlite"),
         ("rabbitmq", "postgresql"))


def say(text):
    print(text, flush=True)


def pairs(options, among=PAIRS):
    return [(broker, database) for broker, database in among
            if options.broker in (None, broker) and options.database in (None, database)]


def told(result):
    """One line for people."""
    compared = result["compared"]
    each = ", ".join(f"{name} {value:.2f}" for name, value in result["cpu_us_per_event"].items()
                     if value >= 0.005)
    peak = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in result["usage"]["peak_bytes"].items())
    say(f"  sent {result['sent']['events']:,} at {result['sent']['rate']:,}/s, "
        f"{result['sent']['bytes'] / result['sent']['events']:.0f} bytes each, "
        f"missing {compared['missing']:,} (said {compared['said_lost']:,} lost), "
        f"stored {result['drain_seconds']:.2f} s after the last")
    if compared["wrong_statuses"]:
        say(f"  wrong statuses (expected, found): {compared['wrong_statuses']}")
    if "latency" in result:
        say("  publish to committed: " + times(result["latency"]["committed"]))
        if "screen" in result["latency"]:
            say("  publish to screen:    " + times(result["latency"]["screen"]))
    say(f"  CPU {result['cpu_us_per_event_all']:.2f} µs an event without the broker: {each}")
    say(f"  MB at most: {peak}")


def times(one):
    if not one["count"]:
        return "none"
    return " ".join(f"{key} {one[key] * 1000:.0f} ms" for key in ("p50", "p95", "p99", "max")) + \
        f" ({one['count']})"


def run_sustained(options):
    seconds = 8 if options.quick else 30
    results = []
    for broker, database in pairs(options):
        rates = (options.rate,) if options.rate else ((10000, 50000) if options.quick else RATES)
        for rate in rates:
            say(f"sustained: {broker} to {database}, {rate:,.0f} events/s for {seconds} s")
            result = throughput.sustained(broker, database, rate, seconds)
            results.append(result)
            told(result)
            say("  held" if result["held"] else "  NOT held")
            if not result["held"]:
                break
    return results


def run_burst(options):
    events = 100000 if options.quick else 1000000
    results = []
    for broker, database in pairs(options, PAIRS[:3]):
        say(f"burst: {broker} to {database}, {events:,} events")
        result = throughput.burst(broker, database, events)
        results.append(result)
        told(result)
    return results


def run_latency(options):
    seconds = 10 if options.quick else 60
    results = []
    for broker, database in pairs(options, PAIRS[:3]):
        say(f"latency: {broker} to {database}, 10,000 events/s for {seconds} s")
        result = latency.measure(broker, database, 10000, seconds)
        results.append(result)
        told(result)
    return results


def run_screen(options):
    seconds = 10 if options.quick else 60
    say(f"screen: the dashboard, 10,000 events/s, {screen.WORKERS:,} workers, {screen.QUEUES} queues, each page for {seconds} s")
    result = screen.measure("sqlite", 10000, seconds)
    for one in result["pages"]:
        traced = one["traced"]
        say(f"  {one['page']:16} first content {one['first_content_ms']} ms, rows {one['rows_after_data_ms']} ms after their data, "
            f"{one['elements']} elements; above 50 ms {len(one['long_tasks'])}, "
            f"the longest {max((task['ms'] for task in one['long_tasks']), default=0)} ms; with a processor "
            f"{max((task['cpu_ms'] for task in traced), default=0)} ms at most; heap "
            + " ".join(str(sample["mib"]) for sample in one["heap"][::3]))
    return [result]


def run_flower(options):
    """The same load for Flower and for Kanchi, one after the other."""
    seconds = 10 if options.quick else 30
    events = 50000 if options.quick else 1000000
    steady = {"rate": 5000, "seconds": seconds}
    fast = {"events": events}
    results = []
    for name, load in (("steady", steady), ("burst", fast)):
        say(f"Flower, {name}: {load}")
        theirs = flower.measure("redis", 600, **load)
        say(f"  sent {theirs['task_events_sent']:,}, seen {theirs['seen']:,}, "
            f"CPU {theirs['cpu_us_per_event']['flower']:.1f} µs an event seen, "
            f"{theirs['usage']['peak_bytes']['flower'] / 1e6:.0f} MB")
        for database in ("sqlite", "postgresql"):
            if options.database not in (None, database):
                continue
            say(f"Kanchi on {database}, {name}")
            ours = (throughput.burst("redis", database, events) if name == "burst" else
                    throughput.sustained("redis", database, **steady))
            told(ours)
            say(f"  Flower's CPU is {theirs['cpu_us_per_event']['flower'] / ours['cpu_us_per_event_all']:.1f}"
                " times Kanchi's")
            results.append({"load": name, "flower": theirs, "kanchi": ours})
    return results


def run_api(options):
    tasks = options.tasks or (100000 if options.quick else 10000000)
    results = []
    for database in ("sqlite", "postgresql"):
        if options.database not in (None, database):
            continue
        say(f"api: {database}, {tasks:,} tasks stored, 10,000 events/s")
        result = api.measure(database, tasks, 10000, *((20, 30) if options.quick else (300, 240)), say)
        results.append(result)
        made = result["made"]
        say(f"  made in {made['usage']['seconds']:.0f} s, "
            f"{made['told']['events'] / made['usage']['seconds']:,.0f} events/s, "
            f"{made['database_bytes'] / 1e9:.1f} GB; missing {made['compared']['missing']:,}")
        for name, one in result["calls"].items():
            say(f"  {name:34} {times(one)}")
        for what, usage in (("events alone", "usage_before"), ("with the calls", "usage")):
            say(f"  MB at most, {what}: " + ", ".join(
                f"{name} {size / 1e6:.0f}" for name, size in result[usage]["peak_bytes"].items()))
        if result["refused"]:
            say(f"  refused: {result['refused']}")
    return results


def run_start(options):
    say("start: from `kanchi up` to the first event shown")
    result = start.measure(3 if options.quick else 10)
    say("  " + times(result["seconds"]))
    return [result]


PARTS = {"sustained": run_sustained, "burst": run_burst, "latency": run_latency, "screen": run_screen,
         "flower": run_flower, "api": run_api, "start": run_start}


def run(options):
    chosen = [one for one in PARTS if one in options.part] or list(PARTS)
    whole = len(chosen) == len(PARTS)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() and not whole else {}
    results["machine"] = machine.describe()
    for part in chosen:
        results[part] = {"at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
                         "quick": options.quick, "results": PARTS[part](options)}
        RESULTS.write_text(json.dumps(results, indent=1))
    document = DOCUMENT if whole and not options.quick else DRAFT
    document.write_text(report.write(results))
    say(f"written: {document.relative_to(ROOT)}")
    return 0

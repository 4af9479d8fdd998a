"""From results to docs/benchmarks.md."""

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "redis": "Redis", "rabbitmq": "RabbitMQ"}
SERVICES = ("ingestion", "storage", "aggregation", "control", "gateway", "launcher")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def ms(seconds):
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def mb(size):
    return f"{size / 1e6:.0f} MB"


def road(result):
    return f"{NAMES[result['broker']]} to {NAMES[result['database']]}"


def results_of(results, part):
    return results.get(part, {}).get("results", [])


# --- the budgets ---

def verdict(value, floor, aim=None, more=True):
    """Whether a figure keeps what is asked for; more: the greater the better."""
    if value is None:
        return "not measured"
    if aim is not None and (value >= aim if more else value <= aim):
        return "yes, and the aim"
    return "yes" if (value >= floor if more else value <= floor) else "**no**"


def best_held(results, database):
    rates = [one["asked_rate"] for one in results_of(results, "sustained")
             if one["broker"] == "redis" and one["database"] == database and one["held"]]
    return max(rates, default=0) if any(one["database"] == database
                                        for one in results_of(results, "sustained")) else None


def cpu_run(results, database):
    """The run at the highest rate that was held, else at the lowest that was tried."""
    runs = [one for one in results_of(results, "sustained")
            if one["broker"] == "redis" and one["database"] == database]
    held = [one for one in runs if one["held"]]
    if not runs:
        return None
    return held[-1] if held else runs[0]


def burst_lost(results, database):
    for one in results_of(results, "burst"):
        if one["broker"] == "redis" and one["database"] == database:
            return one
    return None


def budget_rows(results):
    rows = []
    for database in ("sqlite", "postgresql"):
        rate = best_held(results, database)
        rows.append([f"sustained, Redis to {NAMES[database]}", "50,000 events/s", "100,000",
                     "" if rate is None else f"{rate:,.0f} events/s", verdict(rate, 50000, 100000)])
    for database in ("sqlite", "postgresql"):
        run = cpu_run(results, database)
        cpu = run and run["cpu_us_per_event_all"]
        rows.append([f"CPU, all services and {NAMES[database]}", "9.6 µs an event", "5",
                     "" if cpu is None else f"{cpu:.1f} µs at {run['asked_rate']:,.0f} events/s",
                     verdict(cpu, 9.6, 5, more=False)])
    for database in ("sqlite", "postgresql"):
        one = burst_lost(results, database)
        missing = one and one["compared"]["missing"]
        rows.append([f"burst of 1,000,000, {NAMES[database]}", "nothing lost", "",
                     "" if one is None else f"{missing:,} of {one['compared']['task_events_sent']:,} lost",
                     verdict(missing, 0, more=False)])
    steady = [one["usage"]["last_bytes"]["ingestion"] for one in results_of(results, "latency")]
    size = max(steady, default=None)
    rows.append(["memory of ingestion, 10,000 events/s", "20 MB", "", "" if size is None else mb(size),
                 verdict(size, 20e6, more=False)])
    for one in results_of(results, "api"):
        size = one["usage_before"]["peak_bytes"]["all services"]
        rows.append([f"memory of all services, {tasks_text(one)}, {NAMES[one['database']]}", "150 MB", "",
                     f"{mb(size)}; {mb(one['usage']['peak_bytes']['all services'])} while all is asked for",
                     verdict(size, 150e6, more=False)])
    for one in results_of(results, "api"):
        name, worst = max(one["calls"].items(), key=lambda call: call[1]["p99"])
        slow = sum(call["p99"] > 0.05 for call in one["calls"].values())
        rows.append([f"API, {tasks_text(one)}, {NAMES[one['database']]}", "p99 50 ms", "",
                     f"{ms(worst['p99'])} ({name}); {slow} of {len(one['calls'])} above",
                     verdict(worst["p99"], 0.05, more=False)])
    for one in results_of(results, "latency"):
        screen = one["latency"]["screen"].get("p99")
        rows.append([f"event to screen, {road(one)}", "p99 500 ms", "", ms(screen) if screen else "",
                     verdict(screen, 0.5, more=False)])
    for one in results_of(results, "start"):
        rows.append(["start to the first event shown", "2 s", "", ms(one["seconds"]["max"]) + " at most",
                     verdict(one["seconds"]["max"], 2, more=False)])
    return rows


def tasks_text(result):
    count = result["made"]["told"]["tasks"]
    return f"{count / 1e6:g} million tasks"


# --- the parts ---

def sustained(results):
    rows = [[road(one), f"{one['asked_rate']:,.0f}", f"{one['sent']['rate']:,}",
             f"{one['compared']['missing']:,}", ms(one["latency"]["committed"].get("p50", 0)),
             ms(one["latency"]["committed"].get("max", 0)), f"{one['drain_seconds']:.1f} s",
             "yes" if one["held"] else "no"] for one in results]
    return ["## Sustained", "",
            "A rate is held when every event is stored, every task has the status that its events say, the",
            "time to the commit does not grow, and all is stored 2 s after the last event was sent.", "",
            *table(["", "events/s asked", "sent", "missing", "commit p50", "commit max",
                    "stored after the last", "held"], rows), *usage_tables(results)]


def usage_tables(results):
    names = [name for name in (*SERVICES, "postgresql", "redis", "rabbitmq")
             if any(name in one["cpu_us_per_event"] for one in results)]
    rows = [[road(one), f"{one['sent']['rate']:,}",
             *(f"{one['cpu_us_per_event'].get(name, 0):.2f}" if name in one["cpu_us_per_event"] else ""
               for name in names), f"**{one['cpu_us_per_event_all']:.2f}**"] for one in results]
    memory = [[road(one), f"{one['sent']['rate']:,}",
               *(mb(one["usage"]["peak_bytes"][name]) if name in one["usage"]["peak_bytes"] else ""
                 for name in names), f"**{mb(one['usage']['peak_bytes']['all services'])}**"]
              for one in results]
    return ["µs of CPU an event (all: without the broker):", "",
            *table(["", "events/s", *names, "all"], rows),
            "Resident memory at most (all: the services, what they share once, without servers):", "",
            *table(["", "events/s", *names, "all"], memory)]


def burst(results):
    rows = [[road(one), f"{one['sent']['events']:,}", f"{one['sent']['rate']:,}",
             f"{one['compared']['missing']:,}", f"{one['compared']['said_lost']:,}",
             f"{one['drain_seconds']:.1f} s"] for one in results]
    return ["## Burst", "", "As fast as one publisher can.", "",
            *table(["", "events", "sent, events/s", "missing", "of which Kanchi says lost",
                    "stored after the last"], rows), *usage_tables(results)]


def latency(results):
    rows = []
    for one in results:
        for what in ("committed", "screen"):
            seen = one["latency"][what]
            rows.append([road(one), f"publish to {what}", seen["count"],
                         *(ms(seen[key]) if key in seen else "" for key in ("p50", "p95", "p99", "max"))])
    return ["## Latency", "", "At 10,000 events/s. Committed: REST finds the task (asked every 5 ms); screen: a",
            "WebSocket that is subscribed has it.", "",
            *table(["", "", "probes", "p50", "p95", "p99", "max"], rows), *usage_tables(results)]


def screen(results):
    rows = []
    for one in results:
        for page in one["pages"]:
            long = [task["ms"] for task in page["long_tasks"]]
            computing = [task["cpu_ms"] for task in page["traced"]]
            heap = [sample["mib"] for sample in page["heap"]]
            after = page.get("rows_after_data_ms")
            rows.append([page["page"], f"{page['first_content_ms']} ms", f"{page['ready_ms']} ms",
                         "" if after is None else f"{after} ms", page.get("elements", ""), len(long),
                         f"{max(long, default=0)} ms", f"{max(computing, default=0)} ms",
                         f"{min(heap):.0f} to {max(heap):.0f} MiB"])
    seconds = results[0]["pages"][0]["seconds"]
    return ["## Screen", "", f"Each page open in Chromium at 10,000 events/s for {seconds} s"
            + (f", with {results[0]['workers']:,} workers and {results[0]['queues']} queues" if "workers" in results[0] else "") + ". A long task is one of the main",
            "thread above 50 ms; of those, how long the page computed, for it shares the processors with the",
            "generator and the services. Rows: after the answer that has their data. Heap without collecting garbage first.", "",
            *table(["page", "first content", "shown", "rows after data", "DOM elements at most", "long tasks", "longest", "of it computing, at most", "heap"], rows)]


def api(results):
    lines = ["## API", ""]
    for one in results:
        made = one["made"]
        lines += [f"{NAMES[one['database']]}, {one['storage']['tasks']:,} tasks at the end, "
                  f"{one['asked_rate']:,} events/s coming in. The data set: {made['told']['events']:,} events "
                  f"in {made['usage']['seconds']:.0f} s by the whole road, {made['database_bytes'] / 1e9:.1f} "
                  f"GB, {made['compared']['missing']:,} missing.", ""]
        if one["refused"]:
            lines += [f"Not answered with 200: {', '.join(one['refused'])}.", ""]
        lines += table(["call", "times", "p50", "p95", "p99", "max"],
                       [[name, call["count"], *(ms(call[key]) for key in ("p50", "p95", "p99", "max"))]
                        for name, call in one["calls"].items()])
        lines += ["Resident memory at most (all services: what they share once):", ""]
        columns = list(one["usage"]["peak_bytes"])
        lines += table(["", *columns],
                       [[what, *(mb(one[usage]["peak_bytes"][name]) for name in columns)]
                        for what, usage in (("events alone", "usage_before"), ("with the calls", "usage"))])
    return lines


def flower(results):
    rows, loads = [], []
    for one in results:
        theirs, ours = one["flower"], one["kanchi"]
        cpu, size = theirs["cpu_us_per_event"]["flower"], theirs["usage"]["peak_bytes"]["flower"]
        our_cpu, our_size = ours["cpu_us_per_event_all"], ours["usage"]["peak_bytes"]["all services"]
        seen = 1 - ours["compared"]["missing"] / ours["compared"]["task_events_sent"]
        if one["load"] not in loads:
            loads.append(one["load"])
            rows.append([f"{one['load']}: `{theirs['command']}`", "Flower",
                         f"{theirs['seen'] / theirs['task_events_sent']:.1%}", f"{cpu:.1f}", "", mb(size), ""])
        rows.append(["", f"Kanchi, {NAMES[ours['database']]}", f"{seen:.1%}", f"{our_cpu:.1f}",
                     f"{cpu / our_cpu:.1f}", mb(our_size), f"{size / our_size:.1f}"])
    return ["## Flower", "",
            "The same load on Redis, one after the other. Flower keeps 100,000 tasks in memory and nothing on",
            "disk. What it saw is what its `/metrics` counts. Of PostgreSQL the CPU counts, the memory does not.",
            "", *table(["load", "", "events of tasks seen", "CPU, µs an event seen", "Flower's by ours", "memory",
                        "Flower's by ours"], rows)]


def start(results):
    return ["## Start", "", *(f"From `kanchi up` with an empty data folder to the first task in the list: p50 "
                              f"{ms(one['seconds']['p50'])}, at most {ms(one['seconds']['max'])} of "
                              f"{one['seconds']['count']}." for one in results), ""]


SECTIONS = {"sustained": sustained, "burst": burst, "latency": latency, "screen": screen, "api": api, "flower": flower,
            "start": start}


def commands(results):
    lines = []
    for part in SECTIONS:
        for one in results_of(results, part):
            command = one.get("command") or one["flower"]["command"]
            if f"    {command}" not in lines:
                lines.append(f"    {command}")
    return lines


def write(results):
    """The text of the document."""
    times = [one["at"] for one in results.values() if isinstance(one, dict) and "at" in one]
    quick = any(one.get("quick") for one in results.values() if isinstance(one, dict))
    lines = ["# Benchmarks", "",
             "<!-- Written by `./dev bench`. -->", "",
             f"Measured on {max(times)[:10]} by `./dev bench`" + (" --quick" if quick else "") +
             "; how: [tests/README.md](../tests/README.md).", "",
             *table(["", ""], results["machine"].items()),
             "Everything runs on this one machine, the generator and the servers too.", "",
             "## What is asked for", "",
             *table(["what", "at least", "aim", "found", "kept"], budget_rows(results))]
    for part, section in SECTIONS.items():
        if results_of(results, part):
            lines += section(results[part]["results"])
    lines += ["## Loads", "", "Beside `--broker`; `kanchi-load --help` explains them.", "",
              *commands(results), ""]
    return "\n".join(lines)

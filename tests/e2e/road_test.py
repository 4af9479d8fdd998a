"""2,000 tasks of all kinds by real workers: what Kanchi shows is what Celery's own State saw."""

import itertools

import pytest
import rig

from e2e import expected

# The second database's services are killed and restarted once each meanwhile.
RUNS = {
    "redis": ("redis", ("sqlite", "postgresql"), "main", "prefork"),
    "rabbitmq": ("rabbitmq", ("postgresql", "sqlite"), "main", "prefork"),
    "celery52": ("redis", ("sqlite",), "celery52", "prefork"),
    "threads": ("redis", ("sqlite",), "celery52", "threads"),
}
CASES = [(run, database) for run, what in RUNS.items() for database in what[1]]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def case(request, watched):
    run, database = request.param
    seen = watched(*RUNS[run])
    return seen.recording, seen.kanchis[database]


def report(found, total):
    """Fails with the first of the differences, and how often each field has one."""
    if not found:
        return
    fields = {}
    for _, text in found:
        field = text.split(":")[0]
        fields[field] = fields.get(field, 0) + 1
    shown = "\n".join(f"  {ident[:60]!r}: {text}" for ident, text in itertools.islice(found, 25))
    pytest.fail(f"{len(found)} differences in {total} tasks, by field {fields}:\n{shown}", pytrace=False)


def tasks_of(kanchi, idents):
    """Kanchi's tasks by id; None for those that it has not."""
    tasks = {}
    for ident in idents:
        try:
            tasks[ident] = kanchi.client.task(ident)
        except LookupError as error:
            tasks[ident] = error
    return tasks


def test_tasks_equal_celerys_state(case):
    recording, kanchi = case
    states = expected.states_in_order(recording.events)
    events = expected.by_task(recording.events)
    found, late, tied = [], 0, 0

    def told(ident):
        return "\n".join(f"    {one['type']} {one['timestamp']} clock {one['clock']} pid {one['pid']} "
                         f"retries {one.get('retries')}" for one in events[ident])

    for ident, task in tasks_of(kanchi, states).items():
        if isinstance(task, LookupError):
            found.append((ident, f"missing: {task}"))
            continue
        keys = [expected.order(event) for event in events[ident]]
        tied += len(set(keys)) < len(keys)
        starts = sum(one["type"] == "task-started" for one in events[ident])
        found += [(ident, text) for text in expected.differences(task, states[ident], starts)]
        # The State of the running receiver took the events as they arrived.
        if expected.arrived_in_order(events[ident]):
            found += [(ident, "as it arrived: " + text)
                      for text in expected.differences(task, recording.live_states[ident], starts)]
        else:
            late += 1
    for ident in sorted({ident for ident, text in found if "status" in text})[:3]:
        print(f"{ident}\n{told(ident)}")
    print(f"{len(states)} tasks, {len(recording.events)} events; {late} tasks whose events arrived "
          f"out of order, {tied} with equal times")
    report(found, len(states))


def test_no_task_is_missing_and_none_is_made_up(case):
    recording, kanchi = case
    listed = [one["id"] for one in kanchi.client.all_items("/tasks", limit=200)]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(expected.by_task(recording.events))
    assert {one["id"] for one in recording.manifest} <= set(listed)


def test_values_are_those_that_were_passed(case):
    recording, kanchi = case
    found, complete = [], 0
    idents = expected.by_task(recording.events)
    for ident, task in tasks_of(kanchi, idents).items():
        if isinstance(task, LookupError):
            continue
        complete += not task["truncated"]
        found += [(ident, text) for text in
                  expected.all_json_differences(task, recording.by_id.get(ident))]
    print(f"{complete} of {len(idents)} tasks with nothing cut")
    report(found, len(idents))


def test_every_event_is_kept(case):
    recording, kanchi = case
    found = []
    events = expected.by_task(recording.events)
    for ident, mine in events.items():
        theirs = sorted((one["type"], expected.microseconds(one["timestamp"]))
                        for one in kanchi.client.task_events(ident))
        wanted = sorted((one["type"], one["timestamp"]) for one in mine)
        if len(theirs) != len(wanted) or not all(
                one[0] == two[0] and expected.same_moment(one[1], two[1])
                for one, two in zip(theirs, wanted)):
            found.append((ident, f"events: {theirs}, recorded {wanted}"))
    report(found, len(events))


def test_nothing_is_lost_or_invalid(case):
    recording, kanchi = case
    source = kanchi.source()
    assert source["events_received"] == len(recording.events)
    assert source["events_invalid"] == 0
    assert source["events_lost"] == 0
    assert source["gaps"] == []
    assert sum(kanchi.system()["tasks"].values()) == len(expected.by_task(recording.events))


def test_workers_are_known(case):
    recording, kanchi = case
    hosts = {one["hostname"] for one in recording.events if one["type"].startswith("worker-")}
    workers = {one["id"]: one for one in kanchi.client.all_items("/workers")}
    assert hosts <= set(workers)
    for host in hosts:
        last = max(one["timestamp"] for one in recording.events
                   if one["hostname"] == host and one["type"] != "task-sent")
        assert abs(expected.microseconds(workers[host]["last_seen"]) - last * 1e6) < 1e6
        assert workers[host]["status"] == "offline"
        assert workers[host]["concurrency"] in (1, 2)
        assert workers[host]["queues"]


def test_resident_memory(case):
    _, kanchi = case
    # one that was killed is listed for a while
    sizes = rig.wait_for(kanchi.memory, what="the memory of all that are listed")
    print("resident memory, MB:", {name: round(size / 1e6, 1) for name, size in sizes.items()})
    assert set(sizes) >= {"storage", "ingestion", "aggregation", "control", "gateway"}

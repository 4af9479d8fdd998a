"""The same events in random order, twice: the same tables. And figures that add up."""

import datetime
import os
import random

import pytest
import rig
from e2e import expected, road
from e2e.road_test import RUNS, report
from rig.celery_worker import sample_environment


def replay(folder, recording, url, seed, times=2):
    done = road.run_process(
        [rig.python_of(), "-m", "e2e.replay", recording.folder, "--seed", str(seed), "--times", str(times)],
        env=sample_environment(url), cwd=folder)
    assert done.returncode == 0, done.stderr


def differences(mine, theirs):
    found = [(ident, "only in one of them") for ident in set(mine) ^ set(theirs)]
    for ident in set(mine) & set(theirs):
        found += [(ident, f"{field}: {expected.short(mine[ident][field])}, in order "
                          f"{expected.short(theirs[ident][field])}")
                  for field in theirs[ident] if mine[ident][field] != theirs[ident][field]]
    return found


@pytest.mark.parametrize("broker, database", [("redis", "sqlite"), ("rabbitmq", "postgresql")])
def test_events_in_random_order_twice_give_the_same_tables(folder, watched, new_broker, new_database,
                                                           broker, database):
    seed = int(os.environ.get("KANCHI_E2E_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 31)
    print("KANCHI_E2E_SEED:", seed)
    seen = watched(*RUNS["redis"])
    in_order = seen.kanchis["sqlite"].dump()
    url = new_broker(broker)
    with road.Watcher(folder, url, new_database(database)) as kanchi:
        kanchi.start_all()
        replay(folder, seen.recording, url, seed)
        source = kanchi.wait_settled(2 * len(seen.recording.events), 60)
        assert source["events_invalid"] == 0 and source["events_lost"] == 0
        mine = kanchi.dump()
        report(differences(mine, in_order), len(in_order))
        check_figures(kanchi, seen.recording.events)


CASES = [(run, database) for run in ("redis", "rabbitmq") for database in RUNS[run][1]]


@pytest.mark.parametrize("run, database", CASES)
def test_figures_equal_a_recount_of_the_events(watched, run, database):
    seen = watched(*RUNS[run])
    check_figures(seen.kanchis[database], seen.recording.events)


def text(us):
    return (expected.EPOCH + datetime.timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def check_figures(kanchi, events):
    """Each grouping of /metrics/timeseries against the events and what Kanchi says of the tasks."""
    of_tasks = [one for one in events if "uuid" in one]
    tasks = {one["id"]: one for one in kanchi.client.all_items("/tasks", limit=200)}
    times = [round(one["timestamp"] * 1e6) for one in of_tasks]
    start, end = text(min(times)), text(max(times) + 60_000_000)
    for group_by in (None, "status", "name", "queue", "worker", "source"):
        wanted = expected.rollup_counts(of_tasks, group_by, tasks)

        def equal(group_by=group_by, wanted=wanted):
            found = expected.series_counts(kanchi.series(start, end, group_by))
            wrong = {key: (found[key], wanted[key]) for key in found.keys() | wanted.keys()
                     if found[key] != wanted[key]}
            assert not wrong, f"by {group_by}: {len(wrong)} of {len(wanted)} differ (theirs, recount): " \
                              f"{dict(list(wrong.items())[:5])}"
            return True

        rig.wait_for(equal, 20, f"figures by {group_by}", interval=0.3)
    check_runtimes(kanchi, of_tasks, start, end)


def check_runtimes(kanchi, events, start, end):
    wanted = expected.runtimes(events)
    [one] = kanchi.client.get("/metrics/timeseries", **{"from": start, "to": end}, step="1h")["series"]
    points = [point["runtime"] for point in one["points"] if point["runtime"]["count"]]
    assert sum(point["count"] for point in points) == len(wanted)
    total = sum(point["count"] * point["mean"] for point in points)
    assert total == pytest.approx(sum(wanted), rel=0.02)
    if len(points) == 1:
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            exact = wanted[min(int(share * len(wanted)), len(wanted) - 1)]
            near = wanted[max(0, int((share - 0.01) * len(wanted)))] * 0.97, \
                wanted[min(len(wanted) - 1, int((share + 0.01) * len(wanted)))] * 1.03
            assert near[0] <= points[0][name] <= near[1], f"{name}: {points[0][name]}, exactly {exact}"

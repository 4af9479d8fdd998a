"""What the dashboard shows of tasks and of actions is true: see truth_test.py.

Two stages: events alone, where a test says when what happened; and a shop with real workers.
"""

import datetime
import time

import celery
import pytest
import rig
from e2e.truth import Stage
from e2e.viewer import needs_browser

pytestmark = needs_browser


def iso(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- events alone ---

@pytest.fixture(scope="module")
def events(session_folder):
    folder = session_folder / "events"
    folder.mkdir()
    stage = Stage(folder, {"control": {"reconcile": False, "look_into_queues": False}})
    stage.online("shop@one", freq=3600)
    yield stage
    stage.stop()


def task_event(stage, type, ident, worker="shop@one", **more):
    stage.event(type, worker, uuid=ident, **more)


def test_a_search_says_that_it_searches(events):
    task_event(events, "task-received", "the-needle", name="shop.hay", args="('needle-4711',)", kwargs="{}", retries=0)
    events.wait_status("the-needle", "received")
    events.sees("aSearchSaysThatItSearches", needle="needle-4711", id="the-needle")
    events.sees("theStripSaysWhatItCounts", needle="needle-4711", id="the-needle")


def test_any_period_can_be_typed(events):
    events.sees("aPeriodCanBeTyped")


def test_a_missing_task_costs_one_request(events):
    events.sees("aMissingTaskIsAskedOnce")


def test_the_waterfall_runs_forward_when_clocks_disagree(events):
    now = time.time()
    skewed, retried = "skewed", "retried-later"
    sent = {"name": "shop.skew", "args": "()", "kwargs": "{}", "retries": 0, "queue": "default", "routing_key": "default", "exchange": ""}
    task_event(events, "task-received", skewed, name="shop.skew", args="()", kwargs="{}", retries=0, timestamp=now - 10.001)
    task_event(events, "task-sent", skewed, worker="gen@client", **{**sent, "timestamp": now - 10})
    task_event(events, "task-started", skewed, timestamp=now - 9.785)
    task_event(events, "task-succeeded", skewed, timestamp=now - 9.5, result="1", runtime=0.285)
    later = iso(now + 600)
    task_event(events, "task-sent", retried, worker="gen@client", **{**sent, "timestamp": now - 5})
    task_event(events, "task-received", retried, name="shop.skew", args="()", kwargs="{}", retries=0, timestamp=now - 4.9)
    task_event(events, "task-started", retried, timestamp=now - 4.8)
    task_event(events, "task-sent", retried, **{**sent, "timestamp": now - 4.6, "retries": 1, "eta": later})
    task_event(events, "task-retried", retried, timestamp=now - 4.5, exception="ConnectionError('busy')", traceback="T")
    task_event(events, "task-received", retried, name="shop.skew", args="()", kwargs="{}", retries=1, eta=later, timestamp=now - 4.4)
    events.wait_status(skewed, "success")
    rig.wait_for(lambda: len(list(events.kanchi.all_items(f"/tasks/{retried}/events"))) == 6, 20, "its events")
    events.sees("theWaterfallRunsForward", skewed=skewed, retried=retried)


def test_rows_are_in_the_order_of_the_times_that_they_show(events):
    now = time.time()
    for n in (5, 2, 7, 1, 9, 3, 8, 4, 6, 0):  # some come late
        task_event(events, "task-sent", f"late-{n}", worker="gen@client", name="shop.late", args="()", kwargs="{}", retries=0,
                   queue="default", routing_key="default", exchange="", timestamp=now - 60 + n)
        events.wait_status(f"late-{n}", "pending")
    events.sees("rowsAreInTheOrderTheyShow", name="shop.late")


def test_a_period_can_be_of_the_time_of_ending(events):
    ended, waiting = "long-one", "waiting-one"
    start = time.time() // 60 * 60 - 60
    task_event(events, "task-sent", ended, worker="gen@client", name="shop.long", args="()", kwargs="{}", retries=0,
               queue="default", routing_key="default", exchange="", timestamp=start - 30)
    task_event(events, "task-received", waiting, name="shop.long", args="()", kwargs="{}", retries=0)
    task_event(events, "task-succeeded", ended, result="1", runtime=1.0)
    events.wait_status(ended, "success")
    events.wait_status(waiting, "received")
    events.sees("aPeriodCanBeOfTheEnd", **{"from": iso(start), "to": iso(start + 600)}, ended=ended, waiting=waiting)


def test_figures_of_ended_tasks_lead_to_lists_that_count_as_many(events):
    for n in range(7):
        ident = f"counted-{n}"
        task_event(events, "task-received", ident, name="shop.count_me", args="()", kwargs="{}", retries=0)
        if n < 4:
            task_event(events, "task-failed", ident, exception="Declined('no')", traceback="T")
    events.wait_count(4, name="shop.count_me", status="failure")
    rig.wait_for(lambda: any(one["name"] == "shop.count_me" and one["count"] == 4 for one in events.kanchi.get("/failures")["items"]), 30, "the group")
    events.sees("figuresLeadToWhatTheyCount", name="shop.count_me", failed=4)


def test_a_time_before_kanchi_is_unknown(events):
    events.sees("anHourBeforeKanchiIsUnknown")


# --- a shop with real workers ---

@pytest.fixture(scope="module")
def shop(session_folder):
    folder = session_folder / "shop"
    folder.mkdir()
    stage = Stage(folder, {"control": {"reconcile_after": "2s", "interval": "3s"},
                           "aggregation": {"worker_timeout": "3s", "worker_missed": 3}})
    stage.shop = stage.worker("shop", concurrency=2)
    stage.doomed = stage.worker("doomed", queues=("slow",), concurrency=1)
    with stage.shop, stage.doomed:
        stage.began = time.time()
        stage.long = stage.send("e2e.sleep", 900, queue="slow")
        for n in range(4):
            stage.send("e2e.fail", f"no {n}", task_id=f"failed-{n}")
        stage.send("e2e.big_error", 3, task_id="failed-alone")
        stage.wait_status(stage.long, "started")
        stage.wait_count(5, status="failure")
        stage.doomed.kill()
        stage.killed = time.time()
        yield stage
    stage.stop()


@pytest.fixture
def without_doomed(shop):
    """The worker that was killed is known to be offline."""
    rig.wait_for(lambda: any(one["id"].startswith("doomed@") and one["status"] == "offline"
                             for one in shop.kanchi.get("/workers")["items"]), 40, "the worker is offline")
    return shop.doomed.hostname


def test_a_retried_row_says_so(shop):
    shop.sees("aRetriedRowSaysSo", id="failed-0")


def test_a_resolved_task_can_be_seen(shop):
    shop.sees("aResolvedTaskCanBeSeen", id="failed-1", name="e2e.fail")


def test_one_is_singular(shop):
    waiting = shop.send("e2e.no_result", queue="mail")
    shop.wait_status(waiting, "pending")
    shop.sees("oneIsSingular", failing="e2e.big_error", waiting="e2e.no_result")


def test_sending_a_task_opens_clean(shop):
    shop.sees("sendingATaskOpensClean", name="e2e.fail", queue="default")


def test_a_rate_limit_is_explained_and_shown(shop):
    shop.sees("aRateLimitIsExplainedAndShown", worker=shop.shop.hostname, name="e2e.echo")


def test_a_grown_pool_is_counted(shop):
    shop.sees("aGrownPoolIsCounted", worker=shop.shop.hostname, before=2)


def test_counts_of_a_worker_say_their_period(shop):
    shop.sees("countsSayTheirPeriod", worker=shop.shop.hostname)


def test_a_busy_queue_can_be_purged(shop):
    """What comes between the question and the yes stays."""
    shop.send("e2e.echo", 1, queue="mail")
    shop.send("e2e.echo", 2, queue="mail")
    waiting = shop.client.llen("mail")
    shop.sees("aPurgeIsAsked", queue="mail", waiting=waiting)
    for n in range(3):
        shop.send("e2e.echo", n, queue="mail")
    shop.sees("aBusyQueueIsPurged", removed=waiting)
    assert shop.client.llen("mail") == 3


def test_the_doctor_agrees_with_the_overview(shop):
    shop.send("e2e.echo", 1, queue="mail")
    shop.sees("theDoctorAgrees", queue="mail")


def test_all_tasks_take_a_typed_number(shop):
    shop.sees("allTasksTakeATypedNumber", tasks=6)


def test_a_chord_says_what_is_not_linked(shop):
    header = [shop.celery.signature("e2e.echo", (n,)) for n in range(3)]
    celery.chord(header)(shop.celery.signature("e2e.echo").set(task_id="callback"))
    shop.wait_status("callback", "success")
    shop.sees("aChordSaysWhatIsNotLinked", id="callback")


def test_failures_are_grouped_by_their_exception(shop):
    """Two ended without an event: what the result backend says of them counts."""
    with shop.worker("quiet", queues=("очередь",), events=False) as worker:
        assert worker
        for n in range(3):
            shop.send("e2e.give_up", queue="default" if n == 0 else "очередь", task_id=f"gave-up-{n}")
        shop.wait_count(3, name="e2e.give_up", status="failure", timeout=60)
    shop.sees("failuresAreGroupedByTheirException", name="e2e.give_up", exception="Declined", count=3)


def test_a_task_of_a_dead_worker_stops_its_clock(shop, without_doomed):
    shop.sees("aTaskOfADeadWorkerStopsItsClock", id=shop.long, worker=without_doomed)


def test_once_is_singular(shop, without_doomed):
    shop.sees("onceIsSingular", worker=without_doomed)


def test_a_worker_gone_for_long_is_not_forgotten(shop, without_doomed):
    shop.sees("aWorkerGoneForLongIsNotForgotten", worker=without_doomed)


def test_a_task_that_ran_was_not_revoked_before(shop, without_doomed):
    status, answer = shop.kanchi.ask("DELETE", f"/tasks/{shop.long}", terminate="true")
    assert status < 300, answer
    shop.wait_status(shop.long, "revoked", 60)
    shop.sees("aTaskThatRanWasNotRevokedBefore", id=shop.long, atMost=shop.killed - shop.began + 3)

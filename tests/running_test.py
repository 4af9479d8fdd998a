"""Tasks that ran or waited in a worker when Kanchi started."""

import pytest
import rig
from reconcile_test import send, start, tasks_of, wait_asked  # noqa: F401


@pytest.mark.parametrize("broker, version", [
    ("redis", "main"), ("rabbitmq", "main"), ("redis", "celery52")])
def test_tasks_that_ran_before_are_listed_with_their_arguments(request, folder, start,  # noqa: F811
                                                               broker, version):
    broker_url, redis_url = (request.getfixturevalue(f"{one}_url") for one in (broker, "redis"))
    worker = rig.CeleryWorker(folder, broker_url, concurrency=1, backend_url=redis_url,
                              version=version)
    worker.wait_ready()
    try:
        running, prefetched = send(broker_url, redis_url, 2, "shop.order.review", args=[600],
                                   version=version)
        later = send(broker_url, redis_url, 1, "shop.echo", countdown=600, version=version,
                     kwargs={"value": "x"}, args=[])[0]
        rig.wait_for(lambda: worker.process.log().count("received") == 3, 20, "they are received")
        kanchi = start(broker_url)

        def known():
            tasks = tasks_of(kanchi)
            return tasks if {running, prefetched, later} <= set(tasks) else None

        tasks = rig.wait_for(known, 30, "the tasks")
        assert [tasks[one]["status"] for one in (running, prefetched, later)] == \
            ["started", "received", "received"]
        assert [tasks[one]["name"] for one in (running, prefetched, later)] == \
            ["shop.order.review"] * 2 + ["shop.echo"]
        details = {one: kanchi.get(f"/tasks/{one}") for one in tasks}
        assert "600" in details[running]["args_repr"]
        assert details[prefetched]["args_repr"] == "(600,)"
        assert details[later]["eta"]
        for one in tasks.values():
            assert (one["status_from"], one["worker_id"]) == ("worker", worker.hostname)
        # What is known already is not stored again when control comes back.
        before = {one: kanchi.get(f"/tasks/{one}/events")["items"] for one in tasks}
        kanchi.processes["control"].stop()
        process = kanchi.start("control")
        process.wait_for(lambda: "round.done" in process.log(), 30)
        wait_asked(kanchi, 2)
        assert {one: kanchi.get(f"/tasks/{one}/events")["items"] for one in tasks} == before
    finally:
        worker.kill()


def test_without_reconcile_only_events_count(folder, redis_url, start):  # noqa: F811
    worker = rig.CeleryWorker(folder, redis_url, concurrency=1)
    worker.wait_ready()
    try:
        send(redis_url, redis_url, 1, "shop.order.review", args=[600])
        rig.wait_for(lambda: "received" in worker.process.log(), 20, "it is received")
        kanchi = start(redis_url, control={"reconcile": False, "interval": "1s"})
        control = kanchi.processes["control"]
        rig.wait_for(lambda: control.log().count("round.done") >= 3, 30, "the worker was asked")
        assert kanchi.get("/workers")["items"][0]["registered"]
        assert tasks_of(kanchi) == {}
    finally:
        worker.kill()

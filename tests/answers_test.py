"""Workers whose answers to remote control are missing or can't be read."""

import pytest
import rig
from reconcile_test import finding, start  # noqa: F401


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_answers_that_are_not_read_are_told_from_none(request, folder, start, broker):  # noqa: F811
    broker_url = request.getfixturevalue(f"{broker}_url")
    kanchi = start(broker_url, control={"reply_timeout": "500ms"})
    # Celery's own mingle falls over answers in pickle.
    alone = {"options": ("--without-mingle",)}
    with rig.CeleryWorker(folder, broker_url, name="mute", app="mute_app", **alone), \
            rig.CeleryWorker(folder, broker_url, name="fine", **alone), \
            rig.CeleryWorker(folder, broker_url, name="pickler", app="sample_app.mistaken",
                             env={"MISTAKEN_SERIALIZER": "pickle"}, **alone):
        said = rig.wait_for(lambda: finding(kanchi, "worker_serializer"), 60, "the serializer")
        assert said["subject"] == "pickler@kanchi-test"
        assert "task_serializer" in said["remedy"]
        said = rig.wait_for(lambda: finding(kanchi, "worker_silent"), 60, "the silence")
        assert said["subject"] == "mute@kanchi-test"
        assert "worker_enable_remote_control" in said["remedy"]

"""The sample application with settings that Kanchi has a word to say about."""

import os

from sample_app.app import app

app.conf.update(worker_send_task_events=False, task_send_sent_event=False,
                task_track_started=False, result_extended=False,
                accept_content=["json", "pickle"],
                task_serializer=os.environ.get("MISTAKEN_SERIALIZER", "json"))
if "MISTAKEN_FANOUT" in os.environ:
    app.conf.broker_transport_options = {"fanout_prefix": False}
if "MISTAKEN_FANOUT_PREFIX" in os.environ:
    app.conf.broker_transport_options = {"fanout_prefix": os.environ["MISTAKEN_FANOUT_PREFIX"]}
app.conf.control_exchange = os.environ.get("MISTAKEN_CONTROL", "celery")
app.conf.event_exchange = os.environ.get("MISTAKEN_EVENTS", "celeryev")
if "MISTAKEN_SEP" in os.environ:
    app.conf.broker_transport_options = {"sep": os.environ["MISTAKEN_SEP"]}
if "MISTAKEN_STEPS" in os.environ:
    app.conf.broker_transport_options = {
        "priority_steps": list(range(int(os.environ["MISTAKEN_STEPS"])))}
if "MISTAKEN_RESULT_PREFIX" in os.environ:
    app.conf.result_backend_transport_options = {
        "global_keyprefix": os.environ["MISTAKEN_RESULT_PREFIX"]}

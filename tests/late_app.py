"""The sample application with tasks that are acknowledged after they have run."""

from sample_app.app import app

app.conf.task_acks_late = True

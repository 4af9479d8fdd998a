"""The sample application with workers that take no remote control."""

from sample_app.app import app

app.conf.worker_enable_remote_control = False

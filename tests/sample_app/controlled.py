"""The sample application, with what remote control can change switched on."""

from sample_app.app import app

app.conf.worker_pool_restarts = True

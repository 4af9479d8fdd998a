"""Starts real servers, workers and services for black-box tests, and stops them.

See tests/README.md.
"""

from .celery_worker import CeleryWorker, python_of
from .crowd import Crowd
from .kanchi import Kanchi
from .nginx import Nginx
from .postgres import Postgres
from .process import Process, RigError, free_port, wait_for
from .proxy import Proxy
from .rabbitmq import RabbitMQ
from .redis_server import Redis, Sentinel

__all__ = [
    "CeleryWorker", "Crowd", "Kanchi", "Nginx", "Postgres", "Process", "Proxy", "RabbitMQ", "Redis",
    "RigError", "Sentinel", "free_port", "python_of", "wait_for",
]

"""Starts real servers, workers and services for black-box tests, and stops them.

See tests/README.md.
"""

from .celery_worker import CeleryWorker, python_of
from .kanchi import Kanchi
from .postgres import Postgres
from .process import Process, free_port, wait_for
from .rabbitmq import RabbitMQ
from .redis_server import Redis

__all__ = [
    "CeleryWorker", "Kanchi", "Postgres", "Process", "RabbitMQ", "Redis",
    "free_port", "python_of", "wait_for",
]

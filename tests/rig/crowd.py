"""Hundreds of workers and queues on a Redis that exist only by what they say."""

import base64
import json
import threading
import time


SEPARATOR = "\x06\x16"
LONG = 300  # characters of a long name


def long_name(start):
    return (start + "-long-name-of-a-pod." * LONG)[:LONG]


class Crowd:
    """Workers with heartbeats and queues with one message each, which nobody consumes. The first of each has a long name.

    beat: seconds between two heartbeats of a worker; None: each says once that it may take an hour.
    """

    def __init__(self, url, workers, queues, beat=None):
        import redis  # tests without brokers use the rig too, in an environment without it

        self.client = redis.Redis.from_url(url)
        self.channel = f"/{url.rsplit('/', 1)[1]}.celeryev/worker.heartbeat"
        self.workers = [long_name("celery@worker"), *(f"celery@crowd-{n:04}" for n in range(workers - 1))]
        self.queues = [long_name("stranded"), *(f"stranded-{n:04}" for n in range(queues - 1))]
        self.beat = beat
        self.ended = threading.Event()
        self._fill()
        self._say(self.workers)
        self.thread = threading.Thread(target=self._live, daemon=True)
        if beat:
            self.thread.start()

    def _fill(self):
        message = json.dumps({
            "body": base64.b64encode(b"[[], {}, {}]").decode(), "content-encoding": "utf-8", "content-type": "application/json",
            "headers": {"task": "shop.stranded", "id": "stranded", "lang": "py"},
            "properties": {"delivery_tag": "t", "body_encoding": "base64", "delivery_info": {"exchange": "", "routing_key": ""}}})
        pipeline = self.client.pipeline(transaction=False)
        for queue in self.queues:
            pipeline.sadd(f"_kombu.binding.{queue}", SEPARATOR.join((queue, "", queue)))
            pipeline.lpush(queue, message)
        pipeline.execute()

    def _say(self, workers):
        now = time.time()
        pipeline = self.client.pipeline(transaction=False)
        for worker in workers:
            body = json.dumps({"type": "worker-heartbeat", "hostname": worker, "pid": 1, "clock": 1, "utcoffset": 0, "timestamp": now,
                               "freq": self.beat or 3600, "active": 1, "processed": int(now) % 1000000, "loadavg": [0.1, 0.2, 0.3],
                               "sw_ident": "py-celery", "sw_ver": "5.6.0", "sw_sys": "Linux"})
            pipeline.publish(self.channel, json.dumps({
                "body": base64.b64encode(body.encode()).decode(), "content-encoding": "utf-8", "content-type": "application/json",
                "headers": {}, "properties": {"delivery_mode": 1, "delivery_tag": "t", "priority": 0, "body_encoding": "base64",
                                              "delivery_info": {"exchange": "celeryev", "routing_key": "worker.heartbeat"}}}))
        pipeline.execute()

    def _live(self):
        """Ten turns in a beat, a tenth of the workers in each."""
        turn = 0
        while not self.ended.wait(self.beat / 10):
            self._say(self.workers[turn % 10::10])
            turn += 1

    def stop(self):
        self.ended.set()
        if self.beat:
            self.thread.join()
        self.client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

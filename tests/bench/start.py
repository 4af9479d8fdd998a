"""From `kanchi up` to the first event shown."""

import time

import rig

from .probe import percentiles
from .stand import Broker, Load, empty_folder


def measure(times):
    """Each time with an empty data folder (SQLite), while a few workers send events."""
    took = []
    with empty_folder() as folder:
        broker = Broker(folder, "redis")
        load = Load(folder, broker.url, {"rate": 200, "seconds": 600, "workers": 4}, 1)
        try:
            for number in range(times):
                with rig.Kanchi(folder / f"kanchi{number}", [broker.url], release=True) as kanchi:
                    began = time.monotonic()
                    kanchi.up(timeout=30)
                    rig.wait_for(lambda: kanchi.get("/tasks")["items"], 30, "a task", interval=0.005)
                    took.append(time.monotonic() - began)
        finally:
            load.process.stop()
            broker.stop()
    return {"seconds": percentiles(took), "command": load.command}

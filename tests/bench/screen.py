"""How busy the dashboard keeps a browser amid a steady load of many workers and queues."""

import json

import rig
from rig.process import RigError

from .stand import ROOT, Broker, Stand, empty_folder

FRONTEND = ROOT / "frontend"
PAGES = 6
WORKERS, QUEUES = 1000, 500


def measure(database, rate, seconds):
    with empty_folder() as folder:
        broker = Broker(folder, "redis")
        try:
            with Stand(folder, broker, database) as stand, rig.Crowd(broker.url, WORKERS, QUEUES, beat=2):
                load = stand.load(rate=rate, seconds=86400)
                stand.warm_up(load)
                pages = look(folder, stand.kanchi.url, "--seconds", seconds, timeout=PAGES * (seconds + 120))
                load.process.send(15)
                told = load.wait(60)
        finally:
            broker.stop()
    return {"pages": pages, "broker": "redis", "database": database, "asked_rate": rate, "workers": WORKERS, "queues": QUEUES, "command": load.command,
            "sent": {"events": told["events"]}}


def look(folder, url, *options, timeout):
    """What frontend/e2e/measure-screen.mjs says of a running Kanchi."""
    browser = rig.Process(["node", FRONTEND / "e2e" / "measure-screen.mjs", url, "--json", *map(str, options)],
                          "browser", folder / "browser.log", cwd=FRONTEND)
    if browser.wait(timeout) != 0:
        raise RigError(f"the browser: {browser.log_tail()}")
    return json.loads(browser.log().splitlines()[-1])

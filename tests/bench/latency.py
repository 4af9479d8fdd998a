"""From publish to committed, and from publish to the browser, amid a steady load."""

from .probe import Watch
from .stand import Broker, Stand, empty_folder
from .throughput import SETTLE, figures


def measure(kind, database, rate, seconds, pause=0.1):
    with empty_folder() as folder:
        broker = Broker(folder, kind)
        try:
            with Stand(folder, broker, database) as stand:
                load = stand.load(rate=rate, seconds=seconds + 4)
                stand.warm_up(load)
                meter = stand.meter()
                watch = Watch(broker.url, stand.kanchi.port, pause=pause, screen=True)
                watch.wait(seconds)
                latency = watch.stop()
                told = load.wait(seconds * 4 + 60)
                drain = stand.settle(SETTLE)
                result = figures(told, meter.stop(), stand.compare(told))
        finally:
            broker.stop()
    return {**result, "broker": kind, "database": database, "asked_rate": rate,
            "command": load.command, "latency": latency, "drain_seconds": round(drain, 3)}

"""`./dev bench`: measures Kanchi, and writes what it found. See tests/README.md."""

import argparse
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import parts  # noqa: E402


def stop(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[[], "all", *parts.PARTS],
                        help="what to measure (all)")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    parser.add_argument("--rate", type=float, help="sustained: only this rate")
    parser.add_argument("--broker", choices=("redis", "rabbitmq"), help="only with this broker")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only with this one")
    parser.add_argument("--tasks", type=int, help="api: tasks of the data set (10,000,000)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    try:
        return parts.run(options)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

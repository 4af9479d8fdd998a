"""KANCHI_TORTURE_KILLS: how many kills, KANCHI_TORTURE_SEED: the same run again."""

import os
import random
import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

KILLS = int(os.environ.get("KANCHI_TORTURE_KILLS", 0))


@pytest.fixture(scope="session")
def seed():
    one = int(os.environ.get("KANCHI_TORTURE_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 31)
    print("KANCHI_TORTURE_SEED:", one)
    return one


@pytest.fixture(scope="session")
def kills_of():
    """kills_of(share, short): how many kills are a test's part."""
    return lambda share, short: max(1, round(KILLS * share)) if KILLS else short


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only for ./dev torture")


def pytest_collection_modifyitems(config, items):
    if KILLS:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)

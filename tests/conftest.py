"""Fixtures: a folder for each test whose logs are shown when it fails, and servers."""

import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import rig  # noqa: E402


def pytest_collection_modifyitems(items):
    """What takes minutes first, so that nothing waits for it at the end."""
    items.sort(key=lambda item: not {"e2e", "torture"} & set(item.path.parts))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of a file run one after the other and share its servers; replay_test those of road_test."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid.split("::")[0].replace("replay_test", "road_test")

    return Files(config, log)


@pytest.fixture
def folder(request):
    """An empty folder with a short path, for sockets; kept when the test fails."""
    with tempfile.TemporaryDirectory(prefix="kanchi-") as path:
        path = pathlib.Path(path)
        path.chmod(0o755)
        yield path
        report = getattr(request.node, "call_report", None)
        if report is not None and report.failed:
            for log in sorted(path.rglob("*.log")):
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-60:])
                print(f"--- {log.relative_to(path)}\n{tail}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.call_report = outcome.get_result()


@pytest.fixture(scope="session")
def session_folder():
    with tempfile.TemporaryDirectory(prefix="kanchi-") as path:
        path = pathlib.Path(path)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def redis_server(session_folder):
    """One Redis for the whole run; take a database of your own with redis_url."""
    with rig.Redis(session_folder / "redis", options=("--databases", "1000")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server, _numbers=iter(range(1, 1000))):
    """The URL of an empty database of the common Redis."""
    return redis_server.url(next(_numbers))


@pytest.fixture(scope="session")
def rabbitmq_server(session_folder):
    with rig.RabbitMQ(session_folder / "rabbitmq") as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq_server, _numbers=iter(range(1, 1000))):
    """The URL of a virtual host of its own on the common RabbitMQ."""
    name = f"test{next(_numbers)}"
    rabbitmq_server.add_vhost(name)
    return rabbitmq_server.url(name)


@pytest.fixture(scope="session")
def postgres_server(session_folder):
    with rig.Postgres(session_folder / "postgres") as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server, _numbers=iter(range(1, 1000))):
    """The URL of an empty database of the common PostgreSQL."""
    return postgres_server.create_database(f"test{next(_numbers)}")

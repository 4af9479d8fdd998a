"""What a compiler here does not notice, but one elsewhere does."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_headers_of_rabbitmq_are_taken_from_where_they_are():
    """Newer ones warn where they were before: services/broker/amqp/rabbitmq.h knows both places."""
    sources = [path for folder in ("services", "gateway", "proto", "tests")
               for path in (ROOT / folder).rglob("*.[ch]")]
    assert len(sources) > 100
    found = [path.name for path in sources if "#include <amqp" in path.read_text()]
    assert found == ["rabbitmq.h"], found

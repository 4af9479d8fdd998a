"""Tables in schemas of their own: two Kanchis in one database of PostgreSQL."""

import contextlib
import json
import time
import uuid

import redis
import rig

TABLES = ("SELECT count(*) FROM pg_tables WHERE schemaname = '{}'"
          " AND (tablename = 'tasks' OR tablename ~ '^events_[0-9]+$')")


def publish(client, count):
    now = time.time()
    number = client.connection_pool.connection_kwargs.get("db") or 0
    events = [{"type": "task-received", "uuid": str(uuid.uuid4()), "name": "n", "hostname": "w@h",
               "timestamp": now, "clock": i, "pid": 1} for i in range(count)]
    client.publish(f"/{number}.celeryev/task.multi", json.dumps({
        "body": json.dumps(events), "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {}, "properties": {"delivery_info": {"routing_key": "task.multi"}}}))


def test_two_kanchis_share_a_database_in_schemas_of_their_own(folder, redis_server, postgres_server):
    shop = postgres_server.create_database("schemas")
    for sql in ("CREATE SCHEMA shop", "CREATE ROLE mail LOGIN PASSWORD 'mail'",
                "CREATE SCHEMA mail AUTHORIZATION mail", "GRANT USAGE ON SCHEMA shop TO mail",
                # the other's tables are in sight, and have the same names
                "ALTER ROLE mail IN DATABASE schemas SET search_path = mail, shop"):
        postgres_server.psql(sql, "schemas")
    databases = {"shop": f"{shop}?options=-csearch_path%3Dshop",
                 "mail": shop.replace("kanchi:kanchi@", "mail:mail@")}
    with contextlib.ExitStack() as stack:
        kanchis = []
        for number, (name, database) in enumerate(databases.items(), 990):
            url = redis_server.url(number)
            client = redis.Redis.from_url(url)
            before = client.execute_command("PUBSUB", "NUMPAT")
            kanchi = stack.enter_context(rig.Kanchi(folder / name, [url], database=database))
            kanchi.up()
            rig.wait_for(lambda n=before, c=client: c.execute_command("PUBSUB", "NUMPAT") > n,
                         what="ingestion listens")
            kanchis.append((name, kanchi, client))
        for count, (_, _, client) in enumerate(kanchis, 1):
            publish(client, count * 10)
        for count, (name, kanchi, _) in enumerate(kanchis, 1):
            rig.wait_for(lambda k=kanchi, n=count * 10: k.get("/system")["storage"]["events"] == n,
                         what=f"all events are in {name}")
            assert len(kanchi.get("/tasks")["items"]) == count * 10
            for table in ("tasks", "events"):
                assert postgres_server.psql(f"SELECT count(*) FROM {name}.{table}",
                                            "schemas") == str(count * 10)
            # the events of today have a partition in this schema
            assert int(postgres_server.psql(TABLES.format(name), "schemas")) >= 2
        assert postgres_server.psql(TABLES.format("public"), "schemas") == "0"


def test_a_schema_that_is_not_there_is_named(folder, postgres_url):
    with rig.Kanchi(folder, database=f"{postgres_url}?options=-csearch_path%3Dnowhere") as kanchi:
        storage = kanchi.start("storage")
        rig.wait_for(lambda: not storage.running, what="storage gives up")
        assert "no schema in search_path (nowhere) exists" in storage.log_tail()

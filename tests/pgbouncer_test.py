"""A PostgreSQL behind PgBouncer in transaction mode: each transaction may have another connection."""

import json
import os
import shutil
import time
import uuid

import pytest
import redis
import rig

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

pytestmark = pytest.mark.skipif(not PGBOUNCER, reason="pgbouncer is not installed")


class PgBouncer:
    def __init__(self, folder, postgres):
        self.folder = folder
        self.port = rig.free_port()
        folder.mkdir()
        (folder / "users").write_text('"kanchi" "kanchi"\n')
        (folder / "ini").write_text(f"""
[databases]
* = host=127.0.0.1 port={postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 3
server_round_robin = 1
""")
        user = []
        if os.getuid() == 0:
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            for path in (folder, folder / "users", folder / "ini"):
                shutil.chown(path, "postgres", "postgres")
        self.process = rig.Process([*user, PGBOUNCER, str(folder / "ini")], "pgbouncer",
                                   folder / "pgbouncer.log", cwd="/")

    def url(self, database):
        return f"postgresql://kanchi:kanchi@127.0.0.1:{self.port}/{database}"


def publish(client, count):
    now = time.time()
    events = [{"type": "task-received", "uuid": str(uuid.uuid4()), "name": f"n{i % 7}",
               "hostname": f"w{i % 5}@h", "timestamp": now, "clock": i, "pid": 1}
              for i in range(count)]
    number = client.connection_pool.connection_kwargs.get("db") or 0
    client.publish(f"/{number}.celeryev/task.multi", json.dumps({
        "body": json.dumps(events), "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {}, "properties": {"delivery_info": {"routing_key": "task.multi"}}}))


def stored(kanchi):
    return kanchi.get("/system")["storage"]["events"]


def test_kanchi_works_behind_transaction_pooling(folder, redis_url):
    postgres = rig.Postgres(folder / "pg")
    bouncer = PgBouncer(folder / "bouncer", postgres)
    client = redis.Redis.from_url(redis_url)
    try:
        with rig.Kanchi(folder, [redis_url], database=bouncer.url("postgres")) as kanchi:
            kanchi.up()
            rig.wait_for(lambda: client.execute_command("PUBSUB", "NUMPAT"),
                         what="ingestion listens")
            for part in range(20):
                publish(client, 50)
                rig.wait_for(lambda: stored(kanchi) == (part + 1) * 50, what="all events are stored")
                assert len(kanchi.get("/tasks", limit=10)["items"]) == 10
                assert kanchi.get("/workers")["items"]
            # one that finds the feed taken says so
            with rig.Kanchi(folder / "second", [redis_url],
                            database=bouncer.url("postgres")) as second:
                ended = second.start("storage")
                rig.wait_for(lambda: not ended.running, 60, "the second storage gives up")
                assert "another storage process writes the feed" in ended.log_tail()
            assert postgres.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"
    finally:
        bouncer.process.stop()
        postgres.stop()

"""A private PostgreSQL: data, socket and port of its own."""

import os
import pathlib
import shutil
import signal
import subprocess

from .process import Process, RigError, Stoppable, clean_environment, free_port, wait_for


def _folder_of_programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: int(path.parts[-3]))
    direct = shutil.which("initdb")
    if not found and not direct:
        raise RigError("postgresql is not installed")
    return found[-1].parent if found else pathlib.Path(direct).parent


class Postgres(Stoppable):
    """postgres on a free port of 127.0.0.1; superuser kanchi, password kanchi.

    The server refuses to run as root: it runs as the user postgres then, which
    the package made, and the folder must be one that this user can enter.
    """

    def __init__(self, folder, port=None, options=()):
        self.folder = pathlib.Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.programs = _folder_of_programs()
        self.options = options
        self._as_user = []
        if os.getuid() == 0:
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self.folder, "postgres", "postgres")
        self.data = self.folder / "data"
        if not self.data.exists():
            self._initdb()
        self.process = None
        self.start()

    def _initdb(self):
        password = self.folder / "password"
        password.write_text("kanchi\n")
        password.chmod(0o644)
        done = subprocess.run(
            [*self._as_user, self.programs / "initdb", "-D", self.data, "-U", "kanchi", "-E", "UTF8",
             "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"],
            env=clean_environment(), cwd="/", capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RigError(f"initdb: {done.stdout}{done.stderr}")

    def start(self):
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1",
                    f"unix_socket_directories={self.folder}", "fsync=on", "max_connections=60",
                    *self.options]
        user = self._as_user + ["--pdeathsig", "INT"] if self._as_user else []
        self.process = Process(
            [*user, self.programs / "postgres", "-D", self.data,
             *[word for setting in settings for word in ("-c", setting)]],
            "postgres", self.folder / "postgres.log", cwd="/",
            # fast shutdown: does not wait for clients
            stop_signal=signal.SIGINT, death_signal=signal.SIGINT)
        self.process.wait_for(self._ready, 30)

    def start_again(self, timeout=30):
        """After a kill: its children may hold the shared memory for a moment longer."""
        def started():
            try:
                self.start()
            except RigError as error:
                raise OSError(error) from None
            return True
        wait_for(started, timeout, "PostgreSQL is back")

    def _ready(self):
        done = subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1",
                               "-p", str(self.port)], timeout=10)
        return done.returncode == 0

    def url(self, database="kanchi"):
        return f"postgresql://kanchi:kanchi@127.0.0.1:{self.port}/{database}"

    def psql(self, sql, database="postgres"):
        done = subprocess.run([self.programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql,
                               self.url(database)],
                              env=clean_environment(), capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RigError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def create_database(self, name="kanchi"):
        """An empty database; its URL."""
        self.psql(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def stop(self):
        self.process.stop()

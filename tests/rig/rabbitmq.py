"""A private RabbitMQ: own node name, ports, folders, cookie and epmd."""

import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import urllib.parse

from .process import Process, RigError, Stoppable, clean_environment, free_port


def _program(name):
    """Debian's wrapper changes to the user rabbitmq; the script behind it does not."""
    direct = pathlib.Path("/usr/lib/rabbitmq/bin") / name
    found = str(direct) if direct.exists() else shutil.which(name)
    if not found:
        raise RigError(f"{name} is not installed")
    return found


class RabbitMQ(Stoppable):
    """rabbitmq-server on a free port of 127.0.0.1; user guest, password guest."""

    def __init__(self, folder, port=None):
        self.folder = pathlib.Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.node = f"kanchi{secrets.token_hex(4)}@localhost"
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        cookie = home / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "vm_memory_high_watermark.relative = 0.9\n"
            "disk_free_limit.absolute = 50MB\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n")
        self.env = clean_environment(
            HOME=home, USER=pwd.getpwuid(os.getuid()).pw_name, ERL_EPMD_PORT=free_port(),
            ERL_EPMD_ADDRESS="127.0.0.1", RABBITMQ_NODENAME=self.node,
            RABBITMQ_CONFIG_FILE=self.folder / "rabbitmq",
            RABBITMQ_MNESIA_BASE=self.folder / "mnesia", RABBITMQ_LOG_BASE=self.folder / "log",
            RABBITMQ_ENABLED_PLUGINS_FILE=self.folder / "enabled_plugins",
            RABBITMQ_PID_FILE=self.folder / "pid", RABBITMQ_DIST_PORT=free_port(),
            RABBITMQ_CTL_DIST_PORT_MIN=free_port(), RABBITMQ_CTL_DIST_PORT_MAX=65535,
            RABBITMQ_CONF_ENV_FILE="/dev/null",
            # One scheduler: tests share few cores, and busy waiting costs others theirs.
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none")
        self.process = None
        self.epmd = None
        self.start()

    def start(self):
        if not (self.epmd and self.epmd.running):
            self.epmd = Process(["epmd", "-port", self.env["ERL_EPMD_PORT"],
                                 "-address", "127.0.0.1"],
                                "epmd", self.folder / "epmd.log", env=self.env)
        self.process = Process([_program("rabbitmq-server")], "rabbitmq",
                               self.folder / "rabbitmq.log", env=self.env, stop_timeout=20)
        self.process.wait_for(self._answers, 60)

    def _answers(self):
        """It greets a client that speaks another version with its own header."""
        import socket
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(b"AMQP\x00\x00\x00\x00")
            return connection.recv(8).startswith(b"AMQP")

    def ctl(self, *words):
        """rabbitmqctl: its output."""
        done = subprocess.run([_program("rabbitmqctl"), "-q", "-n", self.node, *words],
                              env=self.env, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RigError(f"rabbitmqctl {words[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def add_vhost(self, name):
        self.ctl("add_vhost", name)
        self.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")

    def url(self, vhost="/"):
        name = "" if vhost == "/" else urllib.parse.quote(vhost, safe="")
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{name}"

    def stop(self):
        self.process.stop()
        if self.epmd:
            self.epmd.stop()

"""A private Redis."""

import pathlib
import socket
import subprocess
import urllib.parse

from .process import Process, Stoppable, free_port


def make_certificates(folder):
    """A certificate authority and a server certificate for localhost, by openssl.

    With the extensions that Python 3.13 asks for (VERIFY_X509_STRICT).
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            "/CN=kanchi test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
            "-keyout", "server.key", "-out", "server.csr")
    (folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n"
                                "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "server.crt")
    for key in ("ca.key", "server.key"):
        (folder / key).chmod(0o644)
    return folder


def tls_options(certs):
    return ["--tls-ca-cert-file", certs / "ca.crt", "--tls-cert-file", certs / "server.crt",
            "--tls-key-file", certs / "server.key"]


class Redis(Stoppable):
    """redis-server on a free port of 127.0.0.1, with nothing saved.

    tls: only rediss://; the authority's certificate is then in .ca.
    mutual: clients need a certificate too; the server's own will do.
    unix: redis+socket:// too, see .socket_url().
    """

    def __init__(self, folder, password=None, tls=False, unix=False, port=None, options=(),
                 mutual=False):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.password = password
        self.tls = tls
        self.port = port or free_port()
        self.socket_path = self.folder / "redis.sock" if unix else None
        self.ca = None
        self._argv = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                      "--dir", self.folder, "--daemonize", "no", *options]
        if tls:
            certs = make_certificates(self.folder / "tls")
            self.ca = certs / "ca.crt"
            self._argv += ["--port", "0", "--tls-port", self.port, *tls_options(certs),
                           "--tls-auth-clients", "yes" if mutual else "no"]
        else:
            self._argv += ["--port", self.port]
        if password:
            self._argv += ["--requirepass", password]
        if self.socket_path:
            self._argv += ["--unixsocket", self.socket_path]
        self.process = None
        self.start()

    def start(self):
        self.process = Process(self._argv, "redis", self.folder / "redis.log", stop_timeout=5)
        self.process.wait_for(lambda: "Ready to accept connections" in self.process.log()
                              and self._answers(), 10)

    def _answers(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def _user(self):
        return f":{urllib.parse.quote(self.password, safe='')}@" if self.password else ""

    def url(self, database=0):
        return f"{'rediss' if self.tls else 'redis'}://{self._user()}localhost:{self.port}/{database}"

    def socket_url(self, database=0):
        return f"redis+socket://{self._user()}{self.socket_path}?virtual_host={database}"

    def stop(self):
        self.process.stop()


class Sentinel(Stoppable):
    """A sentinel that watches a Redis of the rig under the name "mymaster".

    tls: the sentinel itself speaks TLS, whatever its master does; the authority is in .ca.
    """

    def __init__(self, folder, master, tls=False):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        certs = master.ca.parent if master.tls else folder / "tls"
        if tls and not master.tls:
            make_certificates(certs)
        self.ca = certs / "ca.crt"
        self.port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(f"sentinel monitor mymaster 127.0.0.1 {master.port} 1\n")
        argv = ["redis-server", config, "--sentinel", "--bind", "127.0.0.1", "--dir", folder,
                *(["--port", "0", "--tls-port", self.port] if tls else ["--port", self.port]),
                *(tls_options(certs) if tls or master.tls else []),
                "--tls-auth-clients", "no", "--tls-replication", "yes" if master.tls else "no"]
        self.process = Process(argv, "sentinel", folder / "sentinel.log", stop_timeout=5)
        self.process.wait_for(lambda: "+monitor master mymaster" in self.process.log(), 10)

    def url(self, database=0):
        return f"sentinel://localhost:{self.port}/{database}"

    def stop(self):
        self.process.stop()

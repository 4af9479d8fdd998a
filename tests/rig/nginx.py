"""A private nginx in front of a server."""

import pathlib
import shutil
import socket

from .process import Process, RigError, free_port
from .redis_server import make_certificates

MAIN = """
daemon off; master_process off; error_log stderr info; pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port}{ssl};
    {certificate}
    {server}
  }}
}}
"""


WEBSOCKET = """
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;
"""


class Nginx:
    """One server on a free port of 127.0.0.1. server: its directives; `include websocket.conf` in a
    location passes WebSockets on; what no location names is 404. tls: https://, under a certificate
    of its own."""

    def __init__(self, folder, server, tls=False):
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if not program:
            raise RigError("nginx is not installed")
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        certificate = ""
        if tls:
            certs = make_certificates(folder / "tls")
            certificate = (f"ssl_certificate {certs}/server.crt;"
                           f"ssl_certificate_key {certs}/server.key;")
        (folder / "websocket.conf").write_text(WEBSOCKET)
        (folder / "nginx.conf").write_text(MAIN.format(
            folder=folder, port=self.port, ssl=" ssl" if tls else "", certificate=certificate,
            server=server))
        self.process = Process([program, "-c", folder / "nginx.conf", "-p", folder, "-e", "stderr"],
                               "nginx", folder / "nginx.log", stop_timeout=5)
        self.process.wait_for(self._answers, 10)

    def _answers(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()

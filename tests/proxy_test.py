"""Kanchi behind a real nginx that knows only one path of it, and under names that probes use."""

import json
import pathlib
import shutil
import ssl
import urllib.request

import pytest
import rig
from gateway_rig import Gateway

FRONTEND = pathlib.Path(__file__).parents[1] / "frontend"
with_browser = pytest.mark.skipif(
    not (FRONTEND / "node_modules").exists() or not shutil.which("node"),
    reason="the dashboard's packages are not installed")

KEPT = """location /kanchi/ {{
    proxy_pass http://127.0.0.1:{port}; include websocket.conf; proxy_set_header Host $host;
}}"""
STRIPPED = """location /kanchi/ {{
    proxy_pass http://127.0.0.1:{port}/; include websocket.conf; proxy_set_header Host $host;
}}"""
# Host is that of the upstream here.
FORWARDED = """location /deep/er/ {{
    proxy_pass http://127.0.0.1:{port}/; include websocket.conf;
    proxy_set_header X-Forwarded-Prefix /deep/er; proxy_set_header X-Forwarded-Host $http_host;
}}"""


@with_browser
@pytest.mark.parametrize("url_prefix, server, path, tls", [
    ("/kanchi", KEPT, "/kanchi", True),
    ("kanchi/", STRIPPED, "/kanchi", False),
    ("", FORWARDED, "/deep/er", True),
], ids=["kept", "stripped", "forwarded"])
def test_the_dashboard_works_below_a_path(folder, url_prefix, server, path, tls):
    with Gateway(folder / "k", {"url_prefix": url_prefix}) as kanchi, \
            rig.Nginx(folder / "nginx", server.format(port=kanchi.port), tls) as nginx:
        browser = rig.Process(["node", "e2e/check-prefix.mjs", nginx.url + path], "browser",
                              folder / "browser.log", cwd=FRONTEND)
        code = browser.wait(120)
        assert code == 0, browser.log() + nginx.process.log_tail()


def ask(url, data=None, **headers):
    request = urllib.request.Request(url, data, {name.replace("_", "-"): value
                                                 for name, value in headers.items()})
    context = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_rest_works_below_a_path_and_from_another_port(folder):
    with Gateway(folder / "k", {"url_prefix": "/kanchi"}) as kanchi, \
            rig.Nginx(folder / "nginx", KEPT.format(port=kanchi.port), tls=True) as nginx:
        status, body = ask(nginx.url + "/kanchi/api/v1/openapi.json")
        assert (status, json.loads(body)["servers"]) == (200, [{"url": "/kanchi"}])
        # `Host $host` has lost the port that Origin has
        retry = nginx.url + "/kanchi/api/v1/tasks/done/resolve"
        status, body = ask(retry, b"", Origin=nginx.url)
        assert status != 403, body
        assert ask(retry, b"", Origin="https://evil.example")[0] == 403
        assert ask(retry, b"", Origin=nginx.url, Sec_Fetch_Site="cross-site")[0] == 403
        # without the prefix the gateway itself goes on answering, for probes
        assert ask(kanchi.url + "/healthz")[0] == 200


def test_a_path_of_the_interface_is_never_the_dashboard(folder):
    with Gateway(folder) as kanchi:
        for path in ("/kanchi/api/v1/system", "/api/v2/tasks", "/a/b/api/v1/ws"):
            status, body = ask(kanchi.url + path)
            assert (status, json.loads(body)["status"]) == (404, 404), path


def test_probes_and_scrapers_need_no_allowed_host(folder):
    """The kubelet asks by address, Prometheus and load balancers by names of their own."""
    kanchi = Gateway(folder, {"allowed_hosts": "kanchi.example.org"})
    kanchi.sections["gateway"]["listen"] = f"0.0.0.0:{kanchi.port}"
    kanchi.write_config()
    with kanchi:
        for path, host, expected in [
                ("/healthz", "whatever.svc:8080", 200), ("/readyz", "lb", 200),
                ("/metrics", "kanchi-gateway.monitoring.svc:8080", 200),
                ("/metrics", "10.1.2.3:8080", 200),
                ("/api/v1/tasks", "10.1.2.3:8080", 200),
                ("/api/v1/tasks", "kanchi.example.org", 200),
                ("/api/v1/tasks", "evil.example", 403), ("/", "evil.example", 403)]:
            assert ask(kanchi.url + path, Host=host)[0] == expected, (path, host)

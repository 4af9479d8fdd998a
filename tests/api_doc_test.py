"""docs/api.md says what gateway/openapi.json says, which is tested against the gateway."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_the_committed_document_is_what_is_made_now():
    made = subprocess.run([sys.executable, ROOT / "gateway/api/api_doc.py"], text=True,
                          capture_output=True, check=True, timeout=20).stdout
    assert made == (ROOT / "docs/api.md").read_text()


def test_every_link_in_it_leads_somewhere():
    text = (ROOT / "docs/api.md").read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
                for line in re.findall(r"^#+ (.*)$", text, re.M)}
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= headings


def test_every_path_that_the_gateway_routes_is_in_it():
    routes = re.findall(r'\{"(/[^"]+)", ', (ROOT / "gateway/api/routes.c").read_text())
    assert routes
    paths = {re.sub(r"\{\w+\}", "*", path)
             for path in re.findall(r"^### `[A-Z]+ (\S+)`$", (ROOT / "docs/api.md").read_text(), re.M)}
    assert set(routes) == paths

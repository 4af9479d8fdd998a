"""A browser that looks at the dashboard for tests that set up situations (frontend/e2e/check-truth.mjs)."""

import json
import os
import pathlib
import re
import shutil
import urllib.request

import pytest
import rig
from rig.celery_worker import sample_environment

FRONTEND = pathlib.Path(__file__).parents[2] / "frontend"

needs_browser = pytest.mark.skipif(
    not (FRONTEND / "node_modules").exists() or not shutil.which("node"),
    reason="the dashboard's packages are not installed")


class Viewer:
    """Use as a context manager; sees("scene", fact=…) fails with what was not seen."""

    def __init__(self, folder, url):
        self.process = rig.Process(["node", "e2e/check-truth.mjs", url], "viewer", folder / "viewer.log",
                                   cwd=FRONTEND, env=sample_environment("", HOME=folder, KANCHI_PATIENCE=os.environ.get("KANCHI_PATIENCE", "20000")))
        port = self.process.wait_for(lambda: re.search(r"listening on (\d+)", self.process.log()), 60)[1]
        self.address = f"http://127.0.0.1:{port}/"

    def sees(self, scene, **facts):
        request = urllib.request.Request(self.address, json.dumps({"scene": scene, "facts": facts}).encode())
        with urllib.request.urlopen(request, timeout=180) as answer:
            error = json.load(answer)["error"]
        if error:
            print(f"### {error[:900]}", flush=True)
        assert error is None, error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()

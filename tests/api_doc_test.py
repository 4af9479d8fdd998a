"""docs/api.md says what gateway/openapi.json says, which is tested against the gateway."""

import itertools
import json
import pathlib
import re
import subprocess
import sys

import pytest

from rig.kanchi import bin_folder

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENT = json.loads((ROOT / "gateway/openapi.json").read_text())


def test_the_committed_document_is_what_is_made_now():
    made = subprocess.run([sys.executable, ROOT / "gateway/api/api_doc.py"], text=True,
                          capture_output=True, check=True, timeout=20).stdout
    assert made == (ROOT / "docs/api.md").read_text()


def test_every_link_in_it_leads_somewhere():
    text = (ROOT / "docs/api.md").read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
                for line in re.findall(r"^#+ (.*)$", text, re.M)}
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= headings


# ---- the gateway's table of routes (gateway/api/routes.h) ----

@pytest.fixture(scope="module")
def routes():
    made = subprocess.run([bin_folder().parent / "tests" / "gateway_routes"], text=True, capture_output=True,
                          check=True, timeout=20).stdout
    return {(route["method"], route["path"]): route for route in json.loads(made)}


def operations():
    return {(method.upper(), path): operation for path, methods in DOCUMENT["paths"].items()
            for method, operation in methods.items()}


def resolve(thing):
    while "$ref" in thing:
        kind, name = thing["$ref"].split("/")[-2:]
        thing = DOCUMENT["components"][kind][name]
    return thing


def test_the_document_describes_the_routes_that_there_are(routes):
    assert set(operations()) == set(routes)


def test_every_path_that_the_gateway_routes_is_in_it(routes):
    text = (ROOT / "docs/api.md").read_text()
    assert set(re.findall(r"^### `([A-Z]+) (\S+)`$", text, re.M)) == set(routes)


def test_rows_of_one_path_stand_together(routes):
    paths = [path for path, _ in itertools.groupby(path for _, path in routes)]
    assert len(paths) == len(set(paths))


def described(operation):
    """Kind, limits and texts of each parameter of the query, as the document has them."""
    for one in map(resolve, operation.get("parameters", [])):
        if one["in"] != "query":
            continue
        schema = resolve(one["schema"])
        texts = schema.get("enum", [])
        if schema["type"] == "integer":
            kind = "number"
        elif schema["type"] == "array":
            kind, texts = "texts", resolve(schema["items"]).get("enum", [])
        elif schema.get("format") == "date-time":
            kind = "time"
        elif texts == ["false", "true"]:
            kind = "flag"
        else:
            kind = "choice" if texts else "text"
        yield one["name"], (kind, set(texts), schema.get("minimum", 0), schema.get("maximum"),
                            schema.get("default") if kind != "flag" else None)


NOTHING = {"", "none"}  # of an enumeration, of a choice


def declared(route):
    """The same, as the row has them."""
    for one in route["params"]:
        kind, fallback = one["kind"], None
        texts = ["false", "true"] if kind == "flag" else one["texts"]
        if kind == "number" and one["least"] <= one["fallback"] <= one["most"]:
            fallback = one["fallback"]
        elif kind == "choice" and one["texts"][0]:
            fallback = one["texts"][0]
        most = one["most"] if kind == "number" and one["most"] < 2 ** 63 - 1 else None
        yield one["name"], ("text" if kind == "duration" else kind, set(texts) - NOTHING,
                            one["least"], most, fallback)


def test_parameters_are_described_as_they_are_read(routes):
    for key, operation in operations().items():
        assert dict(described(operation)) == dict(declared(routes[key])), key


def test_bodies_are_described_as_they_are_read(routes):
    for key, operation in operations().items():
        body = operation.get("requestBody")
        members = resolve(body["content"]["application/json"]["schema"])["properties"] if body else []
        assert sorted(members) == sorted((routes[key]["body"] or "").split()), key


def test_answers_are_described_as_the_routes_name_them(routes):
    for key, operation in operations().items():
        schemas = [content["schema"] for status, answer in operation["responses"].items()
                   if status[0] == "2" for content in resolve(answer).get("content", {}).values()]
        names = {schema["$ref"].split("/")[-1] if "$ref" in schema else schema["type"]
                 for schema in schemas}
        assert sorted(names or {"none"}) == sorted(routes[key]["answer"].split()), key


def test_the_documents_name_only_paths_that_there_are(routes):
    known = [(method, re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for method, path in routes]
    for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for method, path in re.findall(r"\b(GET|POST|DELETE) (/api/v1/[\w/{}<>.-]+)", file.read_text()):
            assert any(method == one and re.fullmatch(pattern, path.rstrip("."))
                       for one, pattern in known), f"{file.name}: {method} {path}"

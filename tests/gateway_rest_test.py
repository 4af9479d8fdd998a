"""The gateway answers what its OpenAPI document says, path by path."""

import json
import re
import urllib.parse

import jsonschema
import pytest
from gateway_rig import Gateway, openapi

DOCUMENT = openapi()
PATHS = sorted(DOCUMENT["paths"])
READ = [path for path in PATHS if "get" in DOCUMENT["paths"][path] and path != "/api/v1/ws"]
WRITE = [(path, method) for path in PATHS for method in DOCUMENT["paths"][path] if method != "get"]
SOURCE = "source=default"
MESSAGES = "/api/v1/queues/{name}/messages"
# what a path needs besides
QUERIES = {"/api/v1/inspect/{method}": SOURCE, MESSAGES: SOURCE,
           "/api/v1/system/doctor": SOURCE}
DISMISSALS = "/api/v1/dismissals"
ACT_QUERIES = {MESSAGES: SOURCE + "&expected=17"}
BODIES = {"/api/v1/commands/{method}": {"source": "default"}, MESSAGES: None,
          "/api/v1/jobs": {"action": "retry", "ids": ["task-1", "task-3"], "source": "default"},
          "/api/v1/jobs/{id}": None, "/api/v1/tasks/{id}/resolve": None,
          "/api/v1/tasks": {"source": "default", "name": "shop.tasks.charge"},
          "/api/v1/tasks/{id}": None, "/api/v1/tasks/{id}/retry": {"args": [1042]},
          "/api/v1/revoke-by-headers": {"source": "default", "headers": {"batch": "7"}},
          "/api/v1/queues/{name}/move": {"source": "default", "to": "mail", "ids": ["task-1"]},
          "/api/v1/queues/{name}/pause": {"source": "default"},
          "/api/v1/queues/{name}/resume": {"source": "default"},
          DISMISSALS: {"key": "failing", "state": "80%"}}
EXAMPLES = {"/api/v1/jobs/{id}": "j-1", "/api/v1/jobs/{id}/items": "j-1",
            "/api/v1/inspect/{method}": "ping", "/api/v1/commands/{method}": "pool_grow",
            "/api/v1/workers/{id}": "celery@one", "/api/v1/workers/{id}/life": "celery@one",
            **{path: "task-9" for path in PATHS if path.startswith("/api/v1/tasks/")},
            **{path: "payments" for path in PATHS if path.startswith("/api/v1/queues/")}}
FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("date-time")
def is_utc_time(value):
    return not isinstance(value, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", value))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, session_folder):
    site = tmp_path_factory.mktemp("site")
    (site / "200.html").write_text("<!doctype html>dashboard")
    (site / "theme.js").write_text("1")
    (site / "theme.js.gz").write_bytes(b"zipped")
    (site / "csp.json").write_text('{"script_hashes": ["sha256-abc="]}')
    with Gateway(session_folder / "gateway-rest", {"static_dir": str(site)}) as gateway:
        gateway.processes["gateway"].wait_for(
            lambda: gateway.ask("/api/v1/metrics")[0] == 200, what="figures")
        yield gateway


def strict(schema):
    """Objects of the document may have nothing but what is described."""
    if isinstance(schema, dict):
        made = {key: strict(value) for key, value in schema.items()}
        if schema.get("type") == "object" and "properties" in schema:
            made.setdefault("additionalProperties", False)
        return made
    return [strict(one) for one in schema] if isinstance(schema, list) else schema


def validate(value, schema):
    whole = {**strict(schema), "components": strict(DOCUMENT["components"])}
    jsonschema.Draft202012Validator(whole, format_checker=FORMATS).validate(value)


def concrete(path):
    return re.sub(r"\{\w+\}", urllib.parse.quote(EXAMPLES.get(path, ""), safe=""), path)


def query_of(path, query=""):
    return "?" + "&".join(one for one in (QUERIES.get(path), query) if one)


def body_of(path, method):
    return BODIES[path] if (path, method) != (DISMISSALS, "delete") else None


def act_query_of(path, method):
    return "key=failing" if (path, method) == (DISMISSALS, "delete") else ACT_QUERIES.get(path, "")


def resolve(item):
    if "$ref" in item:
        section, name = item["$ref"].split("/")[-2:]
        return DOCUMENT["components"][section][name]
    return item


@pytest.mark.parametrize("path", READ)
def test_every_path_answers_what_the_document_says(gateway, path):
    status, headers, body = gateway.ask(concrete(path) + query_of(path))
    assert status == 200
    content = resolve(DOCUMENT["paths"][path]["get"]["responses"]["200"])["content"]
    kind = headers["Content-Type"].split(";")[0]
    assert kind in content
    if kind == "application/json":
        validate(json.loads(body), content[kind]["schema"])


@pytest.mark.parametrize("path, method", WRITE)
def test_every_action_answers_what_the_document_says(gateway, path, method):
    path_and_query = concrete(path) + "?" + act_query_of(path, method)
    status, headers, body = gateway.ask(path_and_query, method.upper(), body=body_of(path, method))
    answers = DOCUMENT["paths"][path][method]["responses"]
    assert status < 300 and str(status) in answers, body
    content = resolve(answers[str(status)])["content"]["application/json"]
    validate(json.loads(body), content["schema"])


@pytest.mark.parametrize("path, method", WRITE)
@pytest.mark.parametrize("headers, expected", [
    ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Content-Type": "text/plain"}, 415),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415)])
def test_a_page_of_another_site_cannot_act(gateway, path, method, headers, expected):
    status, _, body = gateway.ask(concrete(path), method.upper(), headers, BODIES[path] or {})
    assert status == expected, body
    validate(json.loads(body), DOCUMENT["components"]["schemas"]["Problem"])


@pytest.mark.parametrize("path, method", WRITE)
@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"a":' * 100, b'{"no_such": 1}', b"7",
                                  b'{"source": 1}', b'{"source": "x\\u0000y"}',
                                  b'{"source": "default", "source": "default"}'])
def test_bodies_that_are_wrong_are_refused(gateway, path, method, body):
    status, _, answer = gateway.ask(concrete(path), method.upper(), body=body)
    assert status == 400, answer
    validate(json.loads(answer), DOCUMENT["components"]["schemas"]["Problem"])


PROBES = ["", "x", "failure", "TERM", "2026-11-23T10:00:00Z", "x\0y", -1, 0, 0.5, 1, 1.5, 300, 40_000, 10**9, 10**30, 1e12 + 0.5, True,
          [], ["x"], [""], [1], ["failure"], ["x"] * 100_001, {}, {"x": 1}]


def body_fields():
    """Path, key of the object in the body that has the field (None: the body itself), field, schema."""
    for path, method in WRITE:
        if "requestBody" not in DOCUMENT["paths"][path][method]:
            continue
        content = DOCUMENT["paths"][path][method]["requestBody"]["content"]["application/json"]
        for key, schema in resolve(content["schema"])["properties"].items():
            yield path, None, key, resolve(schema)
            for inner, one in resolve(schema).get("properties", {}).items():
                yield path, key, inner, resolve(one)


@pytest.mark.parametrize("path, outer, key, schema", list(body_fields()), ids=lambda it: str(it)[:40])
def test_the_document_accepts_the_values_that_the_gateway_accepts(gateway, path, outer, key, schema):
    """Field by field. Whether fields go together is not asked."""
    whole = {**strict(schema), "components": strict(DOCUMENT["components"])}
    document = jsonschema.Draft202012Validator(whole, format_checker=FORMATS)
    different = []
    for value in PROBES:
        if key == "arguments" and isinstance(value, dict):
            continue  # they depend on the command: a test of their own
        body = {**(BODIES[path] or {}), **({outer: {key: value}} if outer else {key: value})}
        if path == "/api/v1/jobs" and outer == "options":
            body["action"] = "retry" if key == "queue" else "revoke"
        if path == "/api/v1/jobs" and (key == "filter" or outer == "filter"):
            body.pop("ids", None)
        status, _, answer = gateway.ask(concrete(path), "POST", body=body)
        refused = status == 400 and json.loads(answer).get("parameter") in {key, outer, "x"} - {None}
        if refused == document.is_valid(value):
            different.append((str(value)[:40], "refused" if refused else "accepted"))
    assert different == []


@pytest.mark.parametrize("actions, host", [("off", "127.0.0.1"), ("auto", "0.0.0.0")])
def test_a_gateway_that_may_not_act_says_so(folder, actions, host):
    quiet = Gateway(folder / "gateway", {"actions": actions})
    quiet.sections["gateway"]["listen"] = f"{host}:{quiet.port}"
    quiet.write_config()
    with quiet:
        for path, method in WRITE:
            status, _, body = quiet.ask(concrete(path), method.upper(), body=body_of(path, method))
            assert status == 403 and "gateway.actions" in json.loads(body)["detail"]


@pytest.mark.parametrize("body, parameter", [
    ({}, "action"), ({"action": "burn"}, "action"),
    ({"action": "retry", "ids": "x"}, "ids"), ({"action": "retry", "filter": []}, "filter"),
    ({"action": "retry", "filter": {"status": "no"}}, "status"),
    ({"action": "retry", "filter": {"color": "red"}}, "filter"),
    ({"action": "retry", "filter": {"resolved": "yes"}}, "resolved"),
    ({"action": "retry", "ids": ["x"], "rate": 0}, "rate"),
    ({"action": "retry", "ids": ["x"], "expected": -1}, "expected"),
    ({"action": "retry", "ids": ["x"], "options": {"terminate": True}}, "terminate"),
    ({"action": "revoke", "ids": ["x"], "options": {"signal": "kill me"}}, "signal"),
    ({"action": "resolve", "ids": ["x"], "options": {"queue": "x"}}, "queue"),
])
def test_a_wrong_job_is_refused_by_name(gateway, body, parameter):
    status, _, answer = gateway.ask("/api/v1/jobs", "POST", body=body)
    assert status == 400 and json.loads(answer)["parameter"] == parameter, answer


@pytest.mark.parametrize("method, query, body, parameter", [
    ("POST", "", {"state": "x"}, "key"), ("POST", "", {"key": "x"}, "state"),
    ("POST", "", {"key": "ü" * 101, "state": "x"}, "key"),
    ("POST", "", {"key": "x", "state": "x" * 201}, "state"),
    ("DELETE", "", None, "key"), ("DELETE", "?key=" + "x" * 201, None, "key")])
def test_a_wrong_dismissal_is_refused_by_name(gateway, method, query, body, parameter):
    status, _, answer = gateway.ask(DISMISSALS + query, method, body=body)
    answer = json.loads(answer)
    assert status == 400 and answer["parameter"] == parameter and "1 to 200 bytes" in answer["detail"]


def test_a_dry_run_of_a_job_makes_none(gateway):
    body = {"action": "retry", "filter": {"status": ["failure"], "resolved": False, "q": "x"}}
    status, _, answer = gateway.ask("/api/v1/jobs?dry_run=true", "POST", body=body)
    answer = json.loads(answer)
    assert status == 200 and answer["count"] == 2 and answer["by_status"] == {"failure": 2}
    validate(answer, DOCUMENT["components"]["schemas"]["JobPlan"])


def test_the_examples_of_the_document_fit_its_schemas():
    for path in PATHS:
        for operation in DOCUMENT["paths"][path].values():
            for answer in operation["responses"].values():
                for content in resolve(answer).get("content", {}).values():
                    if "example" in content:
                        validate(content["example"], content["schema"])


def test_the_document_has_every_command_with_its_arguments(gateway):
    methods = gateway.get("/commands")["items"]
    parameter = DOCUMENT["paths"]["/api/v1/inspect/{method}"]["get"]["parameters"][0]
    questions = [one["name"] for one in methods if one["kind"] == "question"]
    assert parameter["schema"]["enum"] == questions
    described = {one["title"]: one for one in
                 DOCUMENT["components"]["schemas"]["CommandArguments"]["anyOf"]}
    assert set(described) == {one["name"] for one in methods} - set(questions)
    for method in methods:
        if method["kind"] == "question":
            continue
        schema = described[method["name"]]
        assert list(schema["properties"]) == [one["name"] for one in method["arguments"]]
        assert schema.get("required", []) == [one["name"] for one in method["arguments"]
                                              if one["required"]]
        for one in method["arguments"]:
            written = schema["properties"][one["name"]]
            assert written.get("default") == one["default"]
            if one["type"] == "integer":
                assert (written["minimum"], written["maximum"]) == (one["minimum"], one["maximum"])


@pytest.mark.parametrize("method, body, expected", [
    ("pool_grow", {"workers": []}, 400), ("pool_grow", {"workers": [""]}, 400),
    ("election", {}, 404), ("pool_grow", {"timeout": 61}, 400),
    ("pool_grow", {"arguments": [1]}, 400), ("pool_grow", {"worker": "celery@one"}, 400)])
def test_commands_that_are_wrong_are_refused(gateway, method, body, expected):
    status, _, answer = gateway.ask(f"/api/v1/commands/{method}", "POST",
                                    body={"source": "default", **body})
    assert status == expected, answer


def test_a_question_cannot_act(gateway):
    status, _, answer = gateway.ask("/api/v1/inspect/shutdown?source=default")
    assert status == 404 and "ping" in json.loads(answer)["detail"]


def test_the_document_is_served_as_it_is(gateway):
    assert gateway.get("/openapi.json") == DOCUMENT


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("/api/v1/")])
def test_wrong_methods_are_refused_with_what_is_allowed(gateway, path):
    known = {method.upper() for method in DOCUMENT["paths"][path]}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
        status, headers, body = gateway.ask(concrete(path), method)
        assert status == 405 and known <= set(headers["Allow"].split(", "))
        validate(json.loads(body), DOCUMENT["components"]["schemas"]["Problem"])
    status, headers, body = gateway.ask(concrete(path), "OPTIONS")
    assert status == 204 and body == b"" and known <= set(headers["Allow"].split(", "))
    if path in READ:
        status, headers, body = gateway.ask(concrete(path) + query_of(path), "HEAD")
        assert status == 200 and body == b"" and int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", [path for path in READ if path.startswith("/api/v1/")])
def test_unknown_parameters_are_refused_by_name(gateway, path):
    status, headers, body = gateway.ask(concrete(path) + query_of(path, "no_such=1"))
    problem = json.loads(body)
    assert status == 400 and problem["parameter"] == "no_such"
    assert headers["Content-Type"] == "application/problem+json"
    validate(problem, DOCUMENT["components"]["schemas"]["Problem"])


def parameters():
    for path in READ:
        for parameter in DOCUMENT["paths"][path]["get"].get("parameters", []):
            parameter = resolve(parameter)
            if parameter["in"] == "query":
                yield path, parameter["name"], parameter["schema"]


def good_values(schema):
    schema = resolve(schema)
    if schema["type"] == "array":
        values = good_values(schema["items"])
        return [values[0]] + ([values] if len(values) > 1 else [])
    if "enum" in schema:
        return schema["enum"]
    if schema.get("format") == "date-time":
        return ["2026-11-23T10:00:00Z"]
    if schema["type"] == "integer":
        return [schema["minimum"], schema["maximum"]]
    return ["1h"] if "pattern" in schema else ["default"]


@pytest.mark.parametrize("path, name, schema", list(parameters()))
def test_documented_parameters_are_taken(gateway, path, name, schema):
    if name == "cursor":
        return
    for value in good_values(schema):
        query = {name: value}
        if path in QUERIES and not QUERIES[path].startswith(name):
            query["source"] = "default"
        if name == "to" and "timeseries" in path:
            query["from"] = "2026-11-23T09:00:00Z"
        if name == "from" and "timeseries" in path:
            query["to"] = "2026-11-23T11:00:00Z"
        status, _, body = gateway.ask(f"{concrete(path)}?{urllib.parse.urlencode(query, doseq=True)}")
        assert status in (200, 404), body
        if status == 200:
            answer = DOCUMENT["paths"][path]["get"]["responses"]["200"]
            validate(json.loads(body), answer["content"]["application/json"]["schema"])


def test_pages_hold_every_task_once(gateway):
    for limit in (7, 500):
        ids = [task["id"] for task in gateway.all_items("/tasks", limit=limit)]
        assert len(ids) == len(set(ids)) == 130
    failed = list(gateway.all_items("/tasks", limit=7, status=["failure", "retry"]))
    assert {task["status"] for task in failed} == {"failure", "retry"}
    workers = [(one["source"], one["id"]) for one in gateway.all_items("/workers", limit=1)]
    assert workers == [("default", "celery@one"), ("default", "celery@two"), ("other", "celery@one")]


def test_a_cursor_of_another_list_is_refused(gateway):
    cursor = gateway.get("/tasks", status="failure", limit=3)["next_cursor"]
    for query in ({"cursor": cursor}, {"cursor": cursor, "status": "retry"}, {"cursor": "AQ"},
                  {"cursor": "A" + cursor, "status": "failure"}, {"cursor": "%%%", "status": "failure"}):
        status, _, body = gateway.ask("/api/v1/tasks?" + urllib.parse.urlencode(query))
        assert status == 400 and json.loads(body)["parameter"] == "cursor"
    assert gateway.ask("/api/v1/workers?" + urllib.parse.urlencode({"cursor": cursor}))[0] == 400


@pytest.mark.parametrize("task_id", ["a/b/events", "Grüße €", "with space", "..", "100%", "?x=1&y#z",
                                     "<script>alert(1)"])
def test_any_text_is_an_id(gateway, task_id):
    path = "/tasks/" + urllib.parse.quote(task_id, safe="")
    assert gateway.get(path)["id"] == task_id
    assert gateway.get(path + "/events")["items"][0]["task_id"] == task_id


def test_an_unescaped_slash_in_an_id_is_understood(gateway):
    status, _, body = gateway.ask("/api/v1/workers/celery@one/x")
    assert status == 404 or json.loads(body)["id"] == "celery@one/x"
    assert gateway.get("/queues/a/b")["name"] == "a/b"


def test_arguments_are_json_only_when_they_are_whole_literals(gateway):
    task = gateway.get("/tasks/task-9")
    assert task["args"] == [1042, "Grüße", None, [1.5, True]]
    assert task["kwargs"] == {"a": [1, 2], "b": {"c": "d"}}
    assert task["result"] is None and task["result_repr"] == "'cut here...'"
    assert task["truncated"] == ["result"] and task["shortened"] == []
    assert gateway.get("/tasks/task-11")["truncated"] == []


def test_lists_cut_long_texts_and_say_so(gateway):
    by_id = {task["id"]: task for task in gateway.all_items("/tasks", limit=500)}
    short = by_id["task-10"]
    assert len(short["result_repr"]) == 4096 and "result_repr" in short["shortened"]
    assert short["traceback"] is None and "traceback" in short["shortened"]
    whole = gateway.get("/tasks/task-10")
    assert len(whole["result_repr"]) == 1 << 20 and len(whole["result"]) == (1 << 20) - 2


def test_a_source_chooses_among_equal_ids(gateway):
    assert gateway.get("/workers/celery@one", source="other")["source"] == "other"
    assert gateway.ask("/api/v1/workers/celery@one?source=nope")[0] == 404
    assert gateway.ask("/api/v1/tasks/task-9?source=other")[0] == 404


def test_what_is_not_there_is_a_problem(gateway):
    for path in ("/api/v1/tasks/none", "/api/v1/tasks/none/events", "/api/v1/workers/none",
                 "/api/v1/queues/none", "/api/v1/nope", "/api/v2/tasks", "/api/"):
        status, headers, body = gateway.ask(path)
        assert status == 404 and headers["Content-Type"] == "application/problem+json"
        validate(json.loads(body), DOCUMENT["components"]["schemas"]["Problem"])


def test_a_missing_task_can_be_an_empty_answer(gateway):
    """Browsers log every 404 as an error."""
    status, headers, body = gateway.ask("/api/v1/tasks/gone?missing_ok=true")
    assert status == 204 and not body and "Content-Length" not in headers
    assert gateway.ask("/api/v1/tasks/task-9?missing_ok=true")[0] == 200


def test_timeseries_are_grouped_by_status(gateway):
    series = gateway.get("/metrics/timeseries", group_by="status")["series"]
    keys = {one["key"]: one["points"] for one in series}
    assert set(keys) == {"received", "started", "success", "failure"}
    assert keys["success"][0]["counts"]["success"] == 7
    assert keys["success"][0]["counts"]["failure"] == 0
    assert keys["success"][0]["runtime"]["p50"] == 0.25
    assert keys["failure"][0]["runtime"]["count"] == 0


@pytest.mark.parametrize("query, parameter", [
    ("from=2026-11-23T10:00:00Z&to=2026-11-23T09:00:00Z", "from"),
    ("step=90s", "step"), ("step=0", "step"), ("step=x", "step"),
    ("from=2020-01-01T00:00:00Z&step=1m", "step"), ("group_by=nope", "group_by"),
])
def test_a_wrong_span_is_refused(gateway, query, parameter):
    status, _, body = gateway.ask("/api/v1/metrics/timeseries?" + query)
    assert status == 400 and json.loads(body)["parameter"] == parameter


def test_figures_of_other_windows_come_from_rollups(gateway):
    assert gateway.get("/metrics")["counts"]["success"] == 7
    hour = gateway.get("/metrics", window="1h")
    assert hour["window_seconds"] == 3600 and hour["counts"]["received"] == 10
    assert hour["success_rate"] == 7 / 8
    assert hour["tasks"]["success"] == 100


def test_the_last_minutes_of_the_figures_are_kept(gateway):
    points = json.loads(gateway.ask("/api/v1/metrics/history")[2])["points"]
    assert points and points[-1]["running"] == 3 and points[-1]["events_per_second"] == 12.5


def test_the_pages_of_a_workflow_hang_together(gateway):
    first = json.loads(gateway.ask("/api/v1/tasks/task-9/family?limit=3")[2])
    path = f"/api/v1/tasks/task-9/family?limit=3&cursor={first['next_cursor']}"
    assert json.loads(gateway.ask(path)[2])["next_cursor"] is None
    assert gateway.ask(path.replace("task-9", "task-8"))[0] == 400


def test_the_dashboard_answers_every_other_path(gateway):
    for path in ("/", "/tasks/x", "/workers/celery@node-1.example", "/a.b.c?q=1"):
        status, headers, body = gateway.ask(path)
        assert status == 200 and b"dashboard" in body
        assert headers["Cache-Control"] == "no-cache"
        assert "script-src 'self' 'sha256-abc='" in headers["Content-Security-Policy"]
    status, headers, body = gateway.ask("/theme.js", headers={"Accept-Encoding": "gzip"})
    assert body == b"zipped" and headers["Content-Encoding"] == "gzip"
    again = gateway.ask("/theme.js", headers={"Accept-Encoding": "gzip",
                                              "If-None-Match": headers["ETag"]})
    assert again[0] == 304 and again[2] == b""


def test_every_answer_has_the_security_headers(gateway):
    for path in ("/", "/api/v1/tasks", "/api/v1/nope", "/healthz", "/metrics"):
        headers = gateway.ask(path)[1]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_prometheus_text_is_well_formed(gateway):
    text = gateway.ask("/metrics")[2].decode()
    seen = set()
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+", line)
            continue
        match = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*\})? '
                             r'(-?[0-9.e+-]+|NaN)', line)
        assert match, line
        assert (match[1], match[2]) not in seen
        seen.add((match[1], match[2]))
    names = {name for name, _ in seen}
    assert {"flower_worker_online", "celery_worker_up", "celery_queue_length", "kanchi_tasks",
            "kanchi_storage_up", "kanchi_gateway_requests_total"} <= names


def test_without_storage_the_gateway_says_what_is_missing(folder):
    with Gateway(folder, storage=False) as gateway:
        assert gateway.ask("/healthz")[0] == 200
        status, _, body = gateway.ask("/readyz")
        assert status == 503 and b"storage" in body
        status, headers, body = gateway.ask("/api/v1/tasks")
        assert status == 503 and headers["Retry-After"]
        assert "storage" in json.loads(body)["detail"]
        assert gateway.ask("/metrics")[0] == 200
        gateway.start_storage()
        gateway.processes["gateway"].wait_for(gateway.is_ready)
        assert gateway.get("/tasks")["items"]
        gateway.processes["storage"].kill()
        gateway.processes["gateway"].wait_for(lambda: gateway.ask("/readyz")[0] == 503)
        gateway.processes["gateway"].wait_for(lambda: gateway.get("/system")["stale_since"], 10)
        system = gateway.get("/system")
        states = {one["name"]: one["state"] for one in system["services"]}
        assert states["storage"] == "away"
        assert {source["state"] for source in system["ingestion"].values()} == {"unknown"}
        assert [finding["code"] for finding in system["findings"]] == ["storage_away"]
        assert sum(system["tasks"].values()) > 0


def test_a_port_that_is_taken_is_one_sentence(folder, gateway):
    second = Gateway(folder, {"listen": f"127.0.0.1:{gateway.port}"}, storage=False)
    process = second.start("gateway")
    assert process.wait() == 1
    lines = [line for line in process.log().splitlines() if "kanchi-gateway: " in line]
    assert len(lines) == 1 and "another program uses this port" in lines[0]


def test_a_dashboard_that_cannot_be_read_is_one_sentence(folder):
    second = Gateway(folder, {"static_dir": "/nowhere"}, storage=False)
    process = second.start("gateway")
    assert process.wait() != 0
    assert "gateway.static_dir: cannot read /nowhere" in process.log()


def write_operations():
    return [(path, method) for path, item in DOCUMENT["paths"].items()
            for method in ("post", "delete") if "requestBody" in item.get(method, {})]


@pytest.mark.parametrize("path, method", write_operations())
def test_unknown_members_of_a_body_are_refused(gateway, path, method):
    status, _, body = gateway.ask(path.format(id="task-1", name="celery", method="ping"), method.upper(),
                                  body={"no_such_member": 1})
    assert status == 400 and json.loads(body)["status"] == 400


@pytest.mark.parametrize("signal", ["STOP", "SIGSTOP", "CONT", "SIGSIGTERM", "9", "", "term"])
def test_only_signals_that_end_a_task_are_sent(gateway, signal):
    asked = [gateway.ask(f"/api/v1/tasks/task-1?terminate=true&signal={signal}", "DELETE"),
             gateway.ask("/api/v1/revoke-by-headers", "POST",
                         body={"headers": {"a": "b"}, "terminate": True, "signal": signal}),
             gateway.ask("/api/v1/jobs", "POST", body={"action": "revoke", "ids": ["x"], "options": {
                 "terminate": True, "signal": signal}})]
    for status, _, body in asked:
        assert status == 400 and json.loads(body)["parameter"] == "signal", body


STATUSES = ["405", "408", "411", "413", "414", "415", "417", "431", "500", "501", "502", "503", "505"]


def test_every_status_that_any_request_may_get_is_documented():
    for path, item in DOCUMENT["paths"].items():
        for method in ("get", "post", "delete"):
            if method in item:
                assert set(STATUSES) <= set(item[method]["responses"]), (method, path)

"""A retry calls the task with the arguments of the first call, or is refused with a reason.

Real workers write down what their task got, both times. Each serializer has workers that
accept nothing but JSON and it, and three kinds of tasks: those whose message still waits,
those whose result backend has the arguments (result_extended), and those of which there are
only events. KANCHI_RETRY_SETS=10000 for so many calls in all, KANCHI_RETRY_SEED=N for others."""

import collections
import concurrent.futures
import json
import os
import subprocess
import urllib.error
import urllib.request

import pytest
import rig
from rig.celery_worker import sample_environment

SERIALIZERS = ("json", "msgpack", "yaml", "pickle")
STACKS = [("redis", "main"), ("redis", "celery52"), ("rabbitmq", "main"), ("rabbitmq", "celery52")]
SETS = int(os.environ.get("KANCHI_RETRY_SETS", 240))
SEED = int(os.environ.get("KANCHI_RETRY_SEED", 1))


def post(kanchi, path, body=None, method="POST"):
    """Status and answer."""
    request = urllib.request.Request(f"{kanchi.url}/api/v1{path}", json.dumps(body or {}).encode(),
                                     {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Recorder:
    """One kind of tasks of one serializer: its queue, its worker, and what was called."""

    def __init__(self, folder, broker, version, serializer, kind, backend, app="recorder.app"):
        self.kind, self.serializer, self.version = kind, serializer, version
        self.queue = f"{kind}-{serializer}"
        self.file = folder / f"{self.queue}.calls"
        settings = {"accept_content": sorted({"json", serializer})}
        if serializer == "json":
            settings = {}  # as nearly everybody has it
        if kind == "backend":
            settings |= {"result_backend": backend, "result_extended": True}
        self.env = {"RECORDER_SETTINGS": json.dumps(settings), "RECORDER_FILE": str(self.file)}
        self.worker = rig.CeleryWorker(folder, broker, self.queue, version=version, pool="solo",
                                       concurrency=1, queues=(self.queue,), app=app,
                                       env=self.env, options=("--without-mingle",
                                                              "--without-gossip"))
        self.broker = broker
        self.sent = {}

    def send(self, first, count, queue=None):
        done = subprocess.run(
            [rig.python_of(self.version), "-m", "recorder.send", str(first), str(count),
             queue or self.queue, self.serializer], check=True, timeout=600, text=True,
            capture_output=True, env=sample_environment(self.broker, **self.env))
        self.sent = dict(json.loads(done.stdout))
        return self

    def calls(self):
        """What the task got, by id."""
        if not self.file.exists():
            return {}
        return dict(json.loads(line) for line in self.file.read_text().splitlines())


def has_yaml(version):
    return subprocess.run([rig.python_of(version), "-c", "import yaml"], check=False,
                          capture_output=True, timeout=60).returncode == 0


def statuses(kanchi):
    return {one["id"]: one["status"] for one in kanchi.all_items("/tasks", limit=500)}


def retry_all(kanchi, idents, force):
    path = "/tasks/{}/retry" + ("?force=true" if force else "")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(zip(idents, pool.map(lambda one: post(kanchi, path.format(one)), idents)))


def judge(recorder, answers, tally):
    """Every retry that was taken called the task as the first call did."""
    taken = {old: answer["id"] for old, (status, answer) in answers.items() if status == 202}
    rig.wait_for(lambda: set(taken.values()) <= recorder.calls().keys(), 120 + len(taken) / 20,
                 f"{len(taken)} retries of {recorder.queue}")
    calls = recorder.calls()
    wrong = [(recorder.queue, recorder.sent[old], calls[old], calls[new], answers[old])
             for old, new in taken.items() if calls[old] != calls[new]]
    for status, answer in answers.values():
        tally[recorder.kind, recorder.serializer,
              answer["arguments_from"] if status == 202 else status] += 1
        assert status in (202, 409), answer
        assert status == 202 or len(answer["detail"]) > 20
    return wrong


@pytest.mark.parametrize("broker, version", STACKS)
def test_a_retry_is_the_same_call_or_is_refused(request, folder, redis_url, broker, version):
    url = request.getfixturevalue(f"{broker}_url")
    serializers = [one for one in SERIALIZERS if one != "yaml" or has_yaml(version)]
    recorders = [Recorder(folder, url, version, serializer, kind, redis_url)
                 for serializer in serializers for kind in ("repr", "backend")]
    count = -(-SETS // (len(STACKS) * 3 * len(serializers)))
    config = {"log": {"level": "info"}, "control": {"reconcile": False},
              "bus": {"request_timeout": "30s"}}
    kanchi = rig.Kanchi(folder / "kanchi", [url], config=config)
    tally, wrong, answers = collections.Counter(), [], {}
    try:
        kanchi.up()
        for one in recorders:
            one.worker.wait_ready(90)
        rig.wait_for(lambda: sum(worker["inspected_at"] is not None and bool(worker["queues"])
                                 for worker in kanchi.get("/workers")["items"]) == len(recorders),
                     120, "Kanchi knows the workers")
        # messages that wait: a queue without a consumer, sent again into that of the worker
        waiting = []
        for number, one in enumerate(recorders):
            one.send((SEED * 100 + number) * 1_000_000, count)
            if one.kind == "repr":
                parked = Recorder.__new__(Recorder)
                parked.__dict__.update(one.__dict__, kind="message", sent={})
                waiting.append(parked.send((SEED * 100 + 50 + number) * 1_000_000, count,
                                           f"parked-{one.serializer}"))
        everything = {ident for one in recorders + waiting for ident in one.sent}
        rig.wait_for(lambda: all(one.sent.keys() <= one.calls().keys() for one in recorders),
                     120 + SETS / 10, "all calls are recorded")
        rig.wait_for(lambda: (known := statuses(kanchi)).keys() >= everything and all(
            known[ident] == "success" for one in recorders for ident in one.sent),
            60 + SETS / 50, "Kanchi knows how they ended")
        for one in recorders:
            answers[one.queue] = retry_all(kanchi, list(one.sent), force=False)
        for one in waiting:
            assert all(post(kanchi, f"/tasks/{ident}/retry")[0] == 409
                       for ident in list(one.sent)[:1])
            body = {"queue": one.queue}
            answers["parked", one.queue] = {
                ident: post(kanchi, f"/tasks/{ident}/retry?force=true", body)
                for ident in one.sent}
        for one in waiting:  # now the first calls come
            assert post(kanchi, "/commands/add_consumer", {
                "workers": [one.worker.hostname], "timeout": 30,
                "arguments": {"queue": f"parked-{one.serializer}"}})[0] == 200
        rig.wait_for(lambda: all(one.sent.keys() <= one.calls().keys() for one in waiting),
                     120 + SETS / 10, "the calls that waited are recorded")
        for one in recorders:
            wrong += judge(one, answers[one.queue], tally)
        for one in waiting:
            wrong += judge(one, answers["parked", one.queue], tally)
    finally:
        for one in recorders:
            one.worker.stop()
        kanchi.stop()
    print(f"\n{broker} {version}: {sum(tally.values())} calls")
    for key in sorted(tally, key=str):
        print(f"  {key[0]:8} {key[1]:8} {key[2]!s:8} {tally[key]}")
    assert not wrong, f"{len(wrong)} wrong calls, the first: {wrong[0]}"
    if broker == "redis":
        refused = [(one.sent[ident], answer["detail"]) for one in waiting
                   for ident, (status, answer) in answers["parked", one.queue].items()
                   if status != 202]
        assert not refused, f"{len(refused)} messages were not sent again, the first: {refused[0]}"
        assert all(tally["message", one, "message"] == count for one in serializers)
    if count >= 5:
        assert tally["repr", "json", "repr"] and tally["backend", "json", "backend"]

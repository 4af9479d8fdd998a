"""Thousands of generated calls of tasks that change their arguments, hide their name, take another
way, are retried with others or replaced: never a wrong call, never a second run without force,
and of plain calls none is refused. KANCHI_RETRY_SETS=20000 for so many calls in all."""

import collections
import json
import subprocess

import kombu
import pytest
import rig
from control_retry_test import SEED, SETS, STACKS, Recorder, retry_all, statuses
from rig.celery_worker import sample_environment

SERIALIZERS = ("json", "msgpack", "pickle")
SOME = STACKS if SETS > 240 else [("redis", "main"), ("rabbitmq", "celery52")]
WAITS = ("replace",)  # a message of it waits for ever
PLAIN = ("plain", "alias", "again", "route")


class Tricks(Recorder):
    def __init__(self, folder, broker, version, serializer, kind, backend):
        super().__init__(folder, broker, version, serializer, kind, backend, app="recorder.tricks")
        self.tricks = {}

    def bind(self):
        """An exchange of another name, as an application would have declared it."""
        with kombu.Connection(self.broker) as connection:
            for name in (self.queue, f"nobody-{self.queue}"):
                kombu.Queue(name, kombu.Exchange(name), name).bind(connection).declare()
            kombu.Queue(self.queue, kombu.Exchange(f"x-{self.queue}", type="topic"),
                        "a.b").bind(connection).declare()

    def send(self, first, count, queue=None):
        done = subprocess.run(
            [rig.python_of(self.version), "-m", "recorder.send_tricks", str(first), str(count),
             self.queue, self.serializer], check=False, timeout=600, text=True,
            capture_output=True, env=sample_environment(self.broker, **self.env))
        assert done.returncode == 0, done.stderr
        for ident, trick, task, call in json.loads(done.stdout):
            self.sent[ident] = trick
            self.tricks[ident] = (trick, task, call)

    def calls(self):
        """The first call under each id: its task and arguments."""
        found = {}
        for line in self.file.read_text().splitlines() if self.file.exists() else ():
            ident, (task, retries, _, call) = json.loads(line)
            if retries == 0:
                found.setdefault(ident, []).append((task, call))
        return found


@pytest.mark.parametrize("broker, version", SOME)
def test_a_retry_never_lies(request, folder, redis_url, broker, version):
    url = request.getfixturevalue(f"{broker}_url")
    recorders = [Tricks(folder, url, version, serializer, kind, redis_url)
                 for serializer in SERIALIZERS for kind in ("repr", "backend")]
    count = -(-SETS // (len(SOME) * len(recorders)))
    kanchi = rig.Kanchi(folder / "kanchi", [url], config={
        "control": {"reconcile": False}, "bus": {"request_timeout": "30s"}})
    tally, wrong, refused = collections.Counter(), [], []
    try:
        kanchi.up()
        for one in recorders:
            one.worker.wait_ready(90)
            one.bind()
        rig.wait_for(lambda: sum(worker["inspected_at"] is not None and bool(worker["queues"])
                                 for worker in kanchi.get("/workers")["items"]) == len(recorders),
                     120, "Kanchi knows the workers")
        for number, one in enumerate(recorders):
            one.send((SEED * 1000 + number) * 1_000_000, count)
        ended = {ident for one in recorders for ident, trick in one.sent.items()
                 if trick not in WAITS}
        rig.wait_for(lambda: all(one.sent.keys() <= one.calls().keys() for one in recorders),
                     120 + SETS / 5, "all calls are recorded")
        rig.wait_for(lambda: (known := statuses(kanchi)) and all(
            known.get(ident) == "success" for ident in ended), 60 + SETS / 20,
            "Kanchi knows how they ended")
        for one in recorders:
            answers = retry_all(kanchi, list(one.sent), force=False)
            taken = {old: answer["id"] for old, (status, answer) in answers.items()
                     if status == 202}
            rig.wait_for(lambda: set(taken.values()) <= one.calls().keys(), 120 + len(taken) / 5,
                         f"{len(taken)} retries of {one.queue}")
            calls = one.calls()
            for old, (status, answer) in answers.items():
                trick = one.sent[old]
                tally[one.kind, one.serializer, trick, status] += 1
                assert status in (202, 409), (trick, answer)
                assert len(calls[old]) == 1, (trick, calls[old])  # nothing ran twice
                if status == 202 and trick in WAITS:
                    wrong.append((one.queue, trick, answer))
                elif status == 202 and (len(calls[answer["id"]]) != 1 or
                                        calls[answer["id"]] != calls[old]):
                    warned = any("print a different number" in text for text in answer["warnings"])
                    if not (trick == "printed" and warned):
                        wrong.append((one.queue, trick, calls[old], calls[answer["id"]], answer))
                elif status == 409 and trick in PLAIN and one.serializer != "pickle":
                    refused.append((one.queue, trick, one.tricks[old], answer["detail"]))
    finally:
        for one in recorders:
            one.worker.stop()
        kanchi.stop()
    print(f"\n{broker} {version}: {sum(tally.values())} calls")
    for key in sorted(tally, key=str):
        print("  {:8} {:8} {:8} {} {}".format(*key, tally[key]))
    assert not wrong, f"{len(wrong)} wrong calls, the first: {wrong[0]}"
    assert not refused, f"{len(refused)} plain calls were refused, the first: {refused[0]}"

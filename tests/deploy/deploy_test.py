"""The files of compose/ and k8s/ against what the programs accept: without an engine, without
a cluster. Each file in bad/ changes one thing, which a check must refuse."""

import copy
import functools
import pathlib
import re
import shutil
import subprocess

import compose
import facts
import kubernetes
import kubernetes_validate
import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
OVERLAYS = ("small", "production")
STACKS = (("embedded",), ("compose",), ("compose", "demo"), ("compose", "two-brokers"),
          ("compose", "monitoring"), ("compose", "two-brokers", "monitoring"))


@functools.cache
def kustomize():
    """The command that renders an overlay; None where there is none that is new enough."""
    for command in (("kubectl", "kustomize"), ("kustomize", "build")):
        if shutil.which(command[0]) and not subprocess.run(
                [*command, facts.ROOT / "k8s/overlays/small"], capture_output=True).returncode:
            return command
    return None


@functools.cache
def rendered(overlay):
    return subprocess.run([*kustomize(), facts.ROOT / "k8s/overlays" / overlay], text=True,
                          capture_output=True, timeout=60)


def render(overlay):
    if not kustomize():
        pytest.skip("there is no kubectl or kustomize that renders the overlays")
    done = rendered(overlay)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def refuse(document):
    """What the schema says; "" when it is content. The operator's kinds have none here."""
    if document["kind"] == "ServiceMonitor":
        return "" if set(document["spec"]) == {"selector", "endpoints"} else "unknown field"
    try:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        return error.message
    return ""


# --- what is shipped ---

@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_passes_the_schema_and_every_check(overlay):
    documents = render(overlay)
    assert [refuse(one) for one in documents if refuse(one)] == []
    assert kubernetes.faults(documents) == []


@pytest.mark.parametrize("overlay, sources, ingestions", (("small", {"default"}, 1),
                                                          ("production", {"shop", "mail"}, 2)))
def test_each_broker_has_an_ingestion_with_a_volume_and_a_control(overlay, sources, ingestions):
    documents = render(overlay)
    for kind, component in (("StatefulSet", "ingestion"), ("Deployment", "control")):
        found = [one for one in documents if one["kind"] == kind
                 and kubernetes.component(one) == component]
        assert {one["metadata"]["name"] for one in found} == {f"{component}-{name}" for name in sources}
        if component == "ingestion":
            assert all(one["spec"]["replicas"] == ingestions for one in found)
            assert all(one["spec"]["volumeClaimTemplates"] for one in found)


@pytest.mark.parametrize("files", STACKS, ids="+".join)
def test_a_stack_passes_every_check(files):
    assert compose.faults([compose.FOLDER / f"{name}.yaml" for name in files]) == []


def test_every_variable_of_the_files_is_explained_in_the_example_and_the_reverse():
    used = compose.names_used() | {"COMPOSE_PROJECT_NAME"}
    assert used - {"KANCHI_SAMPLE_IMAGE", "KANCHI_DEMO_RATE"} == compose.names_in_example()


def test_defaults_of_the_example_are_those_of_the_files():
    shown = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", (compose.FOLDER / ".env.example").read_text(), re.M))
    for path in compose.FOLDER.glob("*.yaml"):
        for name, kind, value in compose.REFERENCE.findall(path.read_text()):
            if kind == ":-" and name in shown and shown[name]:
                assert value == shown[name], (path.name, name)


def test_the_second_broker_may_have_any_name():
    settings = {"KANCHI_BROKER_NAME": "shop", "KANCHI_SECOND_NAME": "mail"}
    assert compose.faults([compose.FOLDER / "compose.yaml", compose.FOLDER / "two-brokers.yaml"],
                          settings) == []


def test_prometheus_asks_ports_that_are_open():
    config = yaml.safe_load((compose.FOLDER / "monitoring/prometheus.yml").read_text())
    services = compose.load(compose.FOLDER / "compose.yaml")["services"]
    targets = {target for job in config["scrape_configs"] for group in job["static_configs"]
               for target in group["targets"]}
    kanchi = {name for name, one in services.items() if str(one.get("command", [""])[0]).startswith("kanchi-")}
    assert targets == {f"{name}:8081" for name in kanchi} | {"gateway:8080"}


def test_metrics_that_rules_and_panels_name_are_there():
    text = "".join((compose.FOLDER / "monitoring" / name).read_text()
                   for name in ("alerts.yml", "kanchi.json"))
    sources = "".join((facts.ROOT / name).read_text()
                      for name in ("gateway/api/prometheus.c", "services/common/process/health.c"))
    named = set(re.findall(r"\b((?:kanchi|celery|process)_\w+)\b", text))
    assert {name for name in named if f'"{name}' not in sources} == set()


def test_the_image_sets_what_the_programs_know():
    assert facts.faults_of_environment(facts.IMAGE_ENVIRONMENT) == []
    listens = {int(facts.IMAGE_ENVIRONMENT[name].rsplit(":", 1)[1])
               for name in ("KANCHI_GATEWAY_LISTEN", "KANCHI_HEALTH_LISTEN")}
    assert listens == facts.IMAGE_PORTS


def test_the_image_has_the_version_of_the_programs():
    version = re.search(r"project\(kanchi VERSION (\S+)", (facts.ROOT / "CMakeLists.txt").read_text())[1]
    assert f"ARG VERSION={version}\n" in (facts.ROOT / "Dockerfile").read_text()


def test_the_bounds_of_memory_are_those_of_the_document():
    text = (facts.ROOT / "docs/memory.md").read_text()
    shown = {name.strip("`"): int(mib) for name, mib in re.findall(r"^\| (\S+|`kanchi up`) \|.*\| (\d+) MiB \|$", text, re.M)}
    assert shown == {"kanchi up" if name == "launcher" else name: mb
                     for name, mb in facts.memory.bounds().items()}


# --- what is refused ---

def bad_files(kind):
    return sorted((HERE / "bad" / kind).glob("*.yaml"))


def change(whole, path, value):
    *way, last = path
    for key in way:
        whole = whole[key]
    if value is None:
        del whole[last]
    else:
        whole[last] = value


@pytest.mark.parametrize("path", bad_files("kubernetes"), ids=lambda path: path.stem)
def test_a_bad_manifest_is_refused(path):
    """overlay, kind and name choose a document; at: value changes it; refused: who says what."""
    case = yaml.safe_load(path.read_text())
    documents = copy.deepcopy(render(case.get("overlay", "production")))
    if case.get("remove"):
        documents = [one for one in documents if one["kind"] != case["remove"]]
    else:
        found = [one for one in documents if one["kind"] == case["kind"]
                 and one["metadata"]["name"].startswith(case["name"])]
        change(found[0], case["at"], case.get("value"))
    said = kubernetes.faults(documents) if case["by"] == "check" else [
        text for text in map(refuse, documents) if text]
    assert any(re.search(case["refused"], text) for text in said), said


@pytest.mark.parametrize("path", bad_files("compose"), ids=lambda path: path.stem)
def test_a_bad_stack_is_refused(path):
    """An overlay over compose.yaml; its first line says what is refused."""
    expected = re.match(r"# refused: (.*)", path.read_text())[1]
    said = compose.faults([compose.FOLDER / "compose.yaml", path])
    assert any(re.search(expected, text) for text in said), said

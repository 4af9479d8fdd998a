"""What `docker compose config` does not find in the Compose files. faults(files) is a list
of sentences about the stack that these files make together."""

import pathlib
import re

import facts
import yaml

FOLDER = facts.ROOT / "compose"
STANDINS = {path.read_text().strip() for path in (facts.ROOT / "tests/compose/standins").glob("*/image")}
OTHERS = STANDINS | {"grafana/grafana:11.1.0", "kanchi-sample"}
MUST = {"POSTGRES_PASSWORD": "p", "KANCHI_SECOND_URL": "redis://x/0", "GRAFANA_PASSWORD": "p"}
REFERENCE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def load(path):
    return yaml.safe_load(pathlib.Path(path).read_text())


def names_in_example():
    """Every key of .env.example, set or shown."""
    return set(re.findall(r"^#?([A-Z_]+)=", (FOLDER / ".env.example").read_text(), re.M))


def names_used():
    return {name for path in FOLDER.glob("*.yaml") for name, _, _ in REFERENCE.findall(path.read_text())}


def interpolate(value, settings):
    if isinstance(value, dict):
        return {key: interpolate(one, settings) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolate(one, settings) for one in value]
    if isinstance(value, str):
        return REFERENCE.sub(lambda found: settings.get(found[1]) or
                             (found[3] if found[2] == ":-" else ""), value)
    return value


def merge(one, two):
    """As Compose merges: maps by key, lists of volumes and ports together, else the last."""
    merged = dict(one)
    for key, value in two.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = merge(old, value)
        elif isinstance(old, list) and isinstance(value, list) and key not in ("command", "test"):
            merged[key] = old + [item for item in value if item not in old]
        else:
            merged[key] = value
    return merged


def stack(paths, settings=None):
    whole = {}
    for path in paths:
        whole = merge(whole, load(path))
    return interpolate(whole, {**MUST, **(settings or {})})


class Checker:
    def __init__(self, whole):
        self.services = whole["services"]
        self.volumes = whole.get("volumes") or {}
        self.faults = []

    def fault(self, name, text):
        self.faults.append(f"{name}: {text}")

    def kanchi(self):
        return {name: one for name, one in self.services.items()
                if one.get("image", "").split(":")[0] == "kanchi"}

    def names(self, name):
        """How others reach a service."""
        networks = self.services[name].get("networks") or {}
        return {name} | {alias for network in networks.values() for alias in (network or {}).get("aliases", [])}


def environment(one):
    return {**facts.IMAGE_ENVIRONMENT, **{key: str(value).lower() if isinstance(value, bool) else str(value)
                                          for key, value in (one.get("environment") or {}).items()}}


def program(one):
    return (one.get("command") or ["?"])[0].removeprefix("kanchi-")


def mounts(one):
    """{path in the container: whether it can be written}"""
    found = {entry.split(":")[0]: True for entry in one.get("tmpfs", [])}
    for entry in one.get("volumes", []):
        source, path, *more = entry.split(":")
        found[path] = "ro" not in more
    return found


def check_programs(checker):
    for name, one in checker.kanchi().items():
        for text in facts.faults_of_command(one.get("command")):
            checker.fault(name, text)
        variables = environment(one)
        for text in facts.faults_of_environment(variables):
            checker.fault(name, text)
        if program(one) != "kanchi" or one["command"][1] != "certs":
            if not mounts(one).get(variables["KANCHI_DATA"]):
                checker.fault(name, f"{variables['KANCHI_DATA']} cannot be written")
        for key in ("KANCHI_BUS_CA", "KANCHI_BUS_CERT", "KANCHI_BUS_KEY"):
            if key in variables and str(pathlib.PurePosixPath(variables[key]).parent) not in mounts(one):
                checker.fault(name, f"{key}: nothing is mounted where {variables[key]} is")


def check_bus(checker):
    """Each address that somebody dials is one at which somebody binds, under its name."""
    reached = {}
    for name, one in checker.kanchi().items():
        for key in facts.BINDS.get(program(one), ()):
            host, port = facts.address(environment(one).get(key)) or ("", 0)
            if host != "0.0.0.0":
                checker.fault(name, f"{key} does not listen for other containers")
            for other in checker.names(name):
                reached.setdefault(other, set()).add(port)
    certified = {word for one in checker.kanchi().values() if one.get("command", [])[:2] == ["kanchi", "certs"]
                 for word in one["command"][3:]}
    sources = {environment(one).get("KANCHI_BROKER_NAME", "default")
               for one in checker.kanchi().values() if program(one) == "control"}
    for name, one in checker.kanchi().items():
        for key in facts.DIALS.get(program(one), ()):
            found = facts.address(environment(one).get(key))
            if not found:
                checker.fault(name, f"{key} is not tls+tcp://")
                continue
            for source in sources if "{source}" in found[0] else [""]:
                host = found[0].replace("{source}", source)
                if found[1] not in reached.get(host, ()):
                    checker.fault(name, f"{key}: nobody listens at {host}:{found[1]}")
                if host not in certified:
                    checker.fault(name, f"{key}: the certificate has no name {host}")


def check_ports(checker):
    for name, one in checker.services.items():
        for entry in one.get("ports", []):
            host, port = entry.rsplit(":", 1)
            if not host.startswith("127.0.0.1:"):
                checker.fault(name, f"{entry} is open beyond this machine")
            if name in checker.kanchi() and int(port) not in facts.IMAGE_PORTS:
                checker.fault(name, f"nobody listens at {port}")


def check_references(checker):
    used = set()
    for name, one in checker.services.items():
        for other in one.get("depends_on") or {}:
            if other not in checker.services:
                checker.fault(name, f"depends on {other}, which is not there")
            elif one["depends_on"][other]["condition"] == "service_healthy" and \
                    other not in checker.kanchi() and "healthcheck" not in checker.services[other]:
                checker.fault(name, f"waits for the health of {other}, which has none")
        for entry in one.get("volumes", []):
            source = entry.split(":")[0]
            if source.startswith("."):
                if not (FOLDER / source).is_file():
                    checker.fault(name, f"{source} is no file")
            elif source not in checker.volumes:
                checker.fault(name, f"its volume {source} is not declared")
            used.add(source)
        if one.get("image") not in OTHERS and name not in checker.kanchi():
            checker.fault(name, f"its image {one.get('image')} is none that is known")
    for volume in sorted(set(checker.volumes) - used):
        checker.fault("volumes", f"{volume} is not used")


def check_bounds(checker):
    for name, one in checker.services.items():
        if "mem_limit" not in one:
            checker.fault(name, "has no limit of memory")
        if "restart" not in one:
            checker.fault(name, "has no restart policy")
    for name, one in checker.kanchi().items():
        if one.get("read_only") is not True or one.get("cap_drop") != ["ALL"] or \
                one.get("security_opt") != ["no-new-privileges:true"] or "pids_limit" not in one:
            checker.fault(name, "has more rights than it needs")
        limit = str(one.get("mem_limit", "0m"))
        megabytes = int(limit[:-1]) << {"m": 0, "g": 10}[limit[-1]]
        for text in facts.faults_of_memory(megabytes, one.get("command"), environment(one)):
            checker.fault(name, f"mem_limit {limit} {text}")


CHECKS = (check_programs, check_bus, check_ports, check_references, check_bounds)


def faults(paths, settings=None):
    checker = Checker(stack(paths, settings))
    for check in CHECKS:
        check(checker)
    return checker.faults

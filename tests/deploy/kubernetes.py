"""What no schema finds in rendered manifests. faults(documents) is a list of sentences."""

import copy
import pathlib
import re

import facts

# What the user makes: k8s/README.md.
SECRETS = {"kanchi-bus": {"ca.pem", "bus.pem", "bus.key"}, "kanchi-database": {"url"},
           "kanchi-brokers": None}  # None: a key for each source
WORKLOADS = ("Deployment", "StatefulSet")
COMPONENT = "app.kubernetes.io/component"

# The arrows of the design: who may open a connection to whom, at which port.
ARROWS = {("ingestion", "storage", 7001), ("control", "storage", 7001),
          ("aggregation", "storage", 7001), ("aggregation", "storage", 7002),
          ("gateway", "storage", 7001), ("gateway", "storage", 7002),
          ("gateway", "aggregation", 7003), ("gateway", "control", 7004)}
OUTSIDE = {"storage": {5432}, "ingestion": {6379, 6380, 26379, 5671, 5672, 15671, 15672},
           "control": {6379, 6380, 26379, 5671, 5672, 15671, 15672}}
FROM_OUTSIDE = {"gateway": {8080}}


class Manifests:
    def __init__(self, documents):
        self.all = documents
        self.faults = []

    def of(self, *kinds):
        return [one for one in self.all if one["kind"] in kinds]

    def fault(self, one, text):
        self.faults.append(f"{one['kind']} {one['metadata']['name']}: {text}")

    def pods(self, selector):
        """Workloads whose pods match matchLabels."""
        return [one for one in self.of(*WORKLOADS)
                if matches(selector, one["spec"]["template"]["metadata"].get("labels", {}))]


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in (selector or {}).items())


def component(one):
    return one["spec"]["template"]["metadata"]["labels"].get(COMPONENT)


def containers(one):
    return one["spec"]["template"]["spec"]["containers"]


def ports(one):
    """{name: number} of a workload's containers."""
    return {port["name"]: port["containerPort"]
            for container in containers(one) for port in container.get("ports", [])}


def environment(manifests, one, container):
    """As the process has it; what comes from elsewhere is a stand-in."""
    found = dict(facts.IMAGE_ENVIRONMENT)
    configs = {config["metadata"]["name"]: config for config in manifests.of("ConfigMap")}
    for source in container.get("envFrom", []):
        name = source.get("configMapRef", {}).get("name")
        if name not in configs:
            manifests.fault(one, f"there is no ConfigMap {name}")
        else:
            found.update(configs[name].get("data", {}))
    for entry in container.get("env", []):
        value = entry.get("value")
        field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
        label = re.fullmatch(r"metadata\.labels\['(.*)'\]", field)
        if label:
            value = one["spec"]["template"]["metadata"]["labels"].get(label[1])
        if value is None:
            manifests.fault(one, f"{entry['name']} comes from nowhere")
            continue
        found[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda m: found.get(m[1], ""), value)
    return found


# --- the checks -------------------------------------------------------------------------

def check_selectors(manifests):
    for one in manifests.of(*WORKLOADS):
        if not matches(one["spec"]["selector"]["matchLabels"],
                       one["spec"]["template"]["metadata"].get("labels", {})):
            manifests.fault(one, "its selector does not match its own pods")
        others = [other for other in manifests.pods(one["spec"]["selector"]["matchLabels"])
                  if other is not one]
        if others:
            manifests.fault(one, "its selector matches the pods of another workload")
    for one in manifests.of("Service"):
        if not manifests.pods(one["spec"].get("selector")):
            manifests.fault(one, "its selector matches no pod")
    for one in manifests.of("PodDisruptionBudget"):
        if not manifests.pods(one["spec"]["selector"]["matchLabels"]):
            manifests.fault(one, "its selector matches no pod")
    for one in manifests.of("NetworkPolicy"):
        if not manifests.pods(one["spec"]["podSelector"].get("matchLabels")):
            manifests.fault(one, "its selector matches no pod")
    for one in manifests.of("HorizontalPodAutoscaler"):
        target = one["spec"]["scaleTargetRef"]
        found = [other for other in manifests.of(target["kind"])
                 if other["metadata"]["name"] == target["name"]]
        if not found:
            manifests.fault(one, f"there is no {target['kind']} {target['name']}")
        elif "replicas" in found[0]["spec"]:
            manifests.fault(one, "its target says a number of replicas too")
    for one in manifests.of("ServiceMonitor"):
        services = [service for service in manifests.of("Service")
                    if matches(one["spec"]["selector"]["matchLabels"],
                               service["metadata"].get("labels", {}))]
        for endpoint in one["spec"]["endpoints"]:
            if not any(port["name"] == endpoint["port"]
                       for service in services for port in service["spec"]["ports"]):
                manifests.fault(one, f"no service that it selects has the port {endpoint['port']}")


def check_references(manifests):
    services = {one["metadata"]["name"]: one for one in manifests.of("Service")}
    for one in manifests.of(*WORKLOADS):
        spec = one["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for container in containers(one)
                   for mount in container.get("volumeMounts", [])}
        for name in sorted(mounted - volumes):
            manifests.fault(one, f"mounts {name}, which is no volume")
        for name in sorted(volumes - mounted):
            manifests.fault(one, f"its volume {name} is not mounted")
        for volume in spec.get("volumes", []):
            secret = volume.get("secret", {}).get("secretName")
            if secret and secret not in SECRETS:
                manifests.fault(one, f"no document says how to make the secret {secret}")
        if one["kind"] == "StatefulSet" and one["spec"].get("serviceName") not in services:
            manifests.fault(one, f"there is no Service {one['spec'].get('serviceName')}")


def check_ports(manifests):
    for one in manifests.of(*WORKLOADS):
        names = ports(one)
        for container in containers(one):
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                port = container.get(probe, {}).get("httpGet", {}).get("port")
                if port is None:
                    manifests.fault(one, f"has no {probe}")
                elif port not in names and port not in names.values():
                    manifests.fault(one, f"its {probe} asks port {port}, which it does not have")
    for one in manifests.of("Service"):
        for pod in manifests.pods(one["spec"].get("selector")):
            for port in one["spec"]["ports"]:
                if port.get("targetPort", port["port"]) not in ports(pod):
                    manifests.fault(one, f"port {port.get('targetPort')} is none of "
                                         f"{pod['metadata']['name']}")


def check_programs(manifests):
    """Commands, variables, paths, and that each open port is one at which the program listens."""
    for one in manifests.of(*WORKLOADS):
        for container in containers(one):
            for text in facts.faults_of_command(container.get("command")):
                manifests.fault(one, text)
            variables = environment(manifests, one, container)
            for text in facts.faults_of_environment(variables):
                manifests.fault(one, text)
            check_paths(manifests, one, container, variables)
            check_listening(manifests, one, variables)


def check_paths(manifests, one, container, variables):
    mounts = {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}
    secrets = {volume["name"]: volume.get("secret", {}).get("secretName")
               for volume in one["spec"]["template"]["spec"].get("volumes", [])}
    for key in sorted(variables):
        if key.endswith("_FILE") or key in ("KANCHI_BUS_CA", "KANCHI_BUS_CERT", "KANCHI_BUS_KEY"):
            path = pathlib.PurePosixPath(variables[key])
            mount = mounts.get(str(path.parent))
            keys = SECRETS.get(secrets.get(mount["name"])) if mount else set()
            if not mount or keys is not None and path.name not in keys:
                manifests.fault(one, f"{key}: nothing puts a file at {path}")
    data = mounts.get(variables["KANCHI_DATA"])
    if not data or data.get("readOnly"):
        manifests.fault(one, f"{variables['KANCHI_DATA']} cannot be written")


def check_listening(manifests, one, variables):
    name = component(one)
    listens = {int(variables["KANCHI_HEALTH_LISTEN"].rsplit(":", 1)[1])}
    if name == "gateway":
        listens.add(int(variables["KANCHI_GATEWAY_LISTEN"].rsplit(":", 1)[1]))
    for key in facts.BINDS.get(name, ()):
        host, port = facts.address(variables.get(key)) or ("", 0)
        if host != "0.0.0.0":
            manifests.fault(one, f"{key}={variables.get(key)} does not listen for other pods")
        listens.add(port)
    for port in sorted(listens ^ set(ports(one).values())):
        manifests.fault(one, f"port {port} is " + ("listened at but not declared" if port in listens
                                                   else "declared but nobody listens"))
    services = {service["metadata"]["name"]: service for service in manifests.of("Service")}
    sources = {other["spec"]["template"]["metadata"]["labels"].get("app.kubernetes.io/instance")
               for other in manifests.of(*WORKLOADS) if component(other) == "control"}
    for key in facts.DIALS.get(name, ()):
        host, port = facts.address(variables.get(key)) or (variables.get(key), 0)
        for source in sorted(sources, key=str) if "{source}" in str(host) else [""]:
            service = services.get(str(host).replace("{source}", str(source)))
            if not service:
                manifests.fault(one, f"{key}: there is no Service {host} {source}".rstrip())
            elif port not in [each["port"] for each in service["spec"]["ports"]]:
                manifests.fault(one, f"{key}: Service {host} has no port {port}")


def check_memory(manifests):
    for one in manifests.of(*WORKLOADS):
        for container in containers(one):
            limit = container.get("resources", {}).get("limits", {}).get("memory", "0Mi")
            megabytes = int(limit[:-2]) << {"Mi": 0, "Gi": 10}[limit[-2:]]
            found = environment(Manifests(manifests.all), one, container)
            for text in facts.faults_of_memory(megabytes, container.get("command"), found):
                manifests.fault(one, f"memory limit {limit} {text}")


def check_security(manifests):
    """Restricted Pod Security, and a root file system that is read only."""
    for one in manifests.of(*WORKLOADS):
        pod = one["spec"]["template"]["spec"]
        security = pod.get("securityContext", {})
        wanted = [(security.get("runAsNonRoot") is True, "may run as root"),
                  (security.get("seccompProfile", {}).get("type") == "RuntimeDefault", "has no seccomp profile"),
                  (pod.get("automountServiceAccountToken") is False, "has a token of the cluster"),
                  (pod.get("enableServiceLinks") is False, "has variables of other services")]
        for container in containers(one):
            own = container.get("securityContext", {})
            wanted += [(own.get("allowPrivilegeEscalation") is False, "may get more rights"),
                       (own.get("readOnlyRootFilesystem") is True, "may write to its image"),
                       (own.get("capabilities", {}).get("drop") == ["ALL"], "keeps capabilities"),
                       ("memory" in container.get("resources", {}).get("limits", {}), "has no limit of memory"),
                       ({"cpu", "memory"} <= set(container.get("resources", {}).get("requests", {})),
                        "requests nothing")]
        for good, text in wanted:
            if not good:
                manifests.fault(one, text)
    for one in manifests.of("Namespace"):
        if one["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            manifests.fault(one, "does not enforce restricted Pod Security")


def _peers(manifests, policy, rule, side):
    """Components that one rule lets through; None for everybody."""
    if side not in rule:
        return None
    found = set()
    for peer in rule[side]:
        if "podSelector" not in peer:
            continue  # another namespace
        pods = manifests.pods(peer["podSelector"].get("matchLabels"))
        if not pods:
            manifests.fault(policy, f"{peer['podSelector']} matches no pod")
        found |= {component(pod) for pod in pods}
    return found


def check_network(manifests):
    """What policies let through is what the design draws, in both directions."""
    into, out, outside, from_outside, denied = set(), set(), {}, {}, False
    for policy in manifests.of("NetworkPolicy"):
        spec = policy["spec"]
        denied |= spec["podSelector"] == {} and set(spec["policyTypes"]) == {"Ingress", "Egress"} \
            and "ingress" not in spec
        selected = {component(pod) for pod in manifests.pods(spec["podSelector"].get("matchLabels"))}
        for side, peer_side in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(side, []):
                peers = _peers(manifests, policy, rule, peer_side)
                numbers = {port["port"] for port in rule.get("ports", [])}
                if not numbers:
                    manifests.fault(policy, "a rule lets every port through")
                for me in selected:
                    if peers is None:
                        (from_outside if side == "ingress" else outside).setdefault(me, set()).update(numbers)
                    elif side == "ingress":
                        into.update((peer, me, port) for peer in peers for port in numbers)
                    else:
                        out.update((me, peer, port) for peer in peers for port in numbers)
    name = manifests.of("NetworkPolicy")
    if not name:
        manifests.faults.append("there is no NetworkPolicy")
        return
    for what, found, wanted in (("ingress", into, ARROWS), ("egress", out, ARROWS),
                                ("egress to outside", outside, OUTSIDE),
                                ("ingress from outside", from_outside, FROM_OUTSIDE)):
        if found != wanted:
            difference = sorted(found ^ wanted) if isinstance(found, set) else found
            manifests.faults.append(f"NetworkPolicies: {what} is not that of the design: {difference}")
    if not denied:
        manifests.faults.append("NetworkPolicies: nothing is refused by default")


CHECKS = (check_selectors, check_references, check_ports, check_programs, check_memory, check_security,
          check_network)


def faults(documents):
    manifests = Manifests(copy.deepcopy(documents))
    for check in CHECKS:
        check(manifests)
    return manifests.faults

"""On what it was measured."""

import os
import pathlib
import platform
import re
import subprocess

import rig

from .stand import ROOT


def first_line(*argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60)
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def processor():
    names = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return names[0] if names else platform.machine()


def memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def package(environment, name):
    return first_line(rig.python_of(environment), "-c",
                      f"import importlib.metadata as m; print(m.version('{name}'))")


def sqlite_version():
    return first_line("pkg-config", "--modversion", "sqlite3")


def rabbitmq_version():
    """As its package has it: the server tells only when it runs."""
    return first_line("dpkg-query", "-W", "-f=${Version}", "rabbitmq-server").partition("-")[0]


def postgres_version():
    text = first_line(rig.postgres._folder_of_programs() / "postgres", "--version")
    return re.sub(r".*\(PostgreSQL\) (\S+).*", r"\1", text)


def describe():
    system = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', pathlib.Path("/etc/os-release").read_text(), re.M))
    return {
        "Processor": f"{processor()}, {os.cpu_count()} cores",
        "Memory": f"{memory_bytes() / 2**30:.0f} GiB",
        "System": f"{system.get('PRETTY_NAME', '?')}, Linux {platform.release()}",
        "Kanchi": first_line("git", "-C", ROOT, "describe", "--always", "--dirty"),
        "Redis": re.sub(r".*v=(\S+).*", r"\1", first_line("redis-server", "--version")),
        "RabbitMQ": rabbitmq_version(),
        "PostgreSQL": postgres_version(),
        "SQLite": sqlite_version(),
        "Flower": package("flower", "flower"),
        "Celery": package("main", "celery"),
    }

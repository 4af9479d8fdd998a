#!/usr/bin/env python3
"""Checks how the C sources are divided: who may include and call whom, and how large things are.

CONTRIBUTING.md ("Rooms") has the rules. What does not follow them yet is in rooms.allowed beside this file: a line
that is no longer needed is an error too, so the list only gets shorter. `rooms.py --update` writes it from the
sources as they are.
"""
import os
import re
import sys

# A room is a folder. It calls those above it in this list, never those below.
ROOMS = """
services/common
services/common/text
services/common/data
services/common/config
services/common/process
proto
proto/bus
services/celery/read
services/celery/python
services/celery/event
services/celery/message
services/celery/remote
services/broker/net
services/broker/port
services/broker/amqp
services/broker/redis
services/broker/url
services/broker
services/ingestion/batch
services/ingestion/spool
services/ingestion/send
services/ingestion
services/storage/db
services/storage/task
services/storage/state
services/storage/write
services/storage/jobs
services/storage/retain
services/storage/read
services/storage
services/aggregation
services/control/call
services/control/ask
services/control/find
services/control/queues
services/control/settle
services/control/doctor
services/control/act
services/control
gateway/http
gateway/view
gateway/live
gateway/api
gateway/server
gateway
services/launcher
""".split()
# Public in all their folders.
LIBRARIES = ("proto", "services/common", "services/celery", "services/control/doctor")
TREES = ("services", "gateway", "proto")
COUNTED = TREES + ("frontend/app",)

LINES, LINES_OF_TEST = 500, 1000
FUNCTION, FUNCTION_OF_TEST = 60, 100
FILES = 25

TEST = re.compile(r"_(test|fuzz)\.c$|/(bench|fake|fuzz)_[a-z_]+\.c$")
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
ATTRIBUTE = re.compile(r"__attribute__\(\((?:[^()]|\([^()]*\))*\)\)")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)
WORD = re.compile(r"(?<![.\w])(?<!->)(?<!struct )\b[A-Za-z_]\w+")
PROTOTYPE = re.compile(r"\b(\w+)\(")
MACRO = re.compile(r"^#define (\w+)((?:.*\\\n)*.*)", re.M)
INLINE = re.compile(r"^static inline [^(;]*?(\w+)\(([^;]*?^\{.*?)^\}", re.M | re.S)
DATA = re.compile(r"^(?!static|extern|typedef|#)[A-Za-z_][\w *]*?\b(\w+)(?:\[\w*\])*\s*=\s", re.M)
EXTERN = re.compile(r"^extern [^;=]*?(\w+)(?:\[\w*\])*;", re.M)


def files_below(root, tree):
    for folder, folders, names in os.walk(os.path.join(root, tree)):
        folders[:] = sorted(f for f in folders if f != "node_modules" and not f.startswith("."))
        yield os.path.relpath(folder, root), sorted(n for n in names if not n.startswith("."))


class Function:
    def __init__(self, name, static, lines):
        self.name, self.static, self.lines = name, static, lines


def functions_of(text):
    """As clang-format leaves them: the braces of a function stand alone in the first column."""
    lines = text.split("\n")
    begin = None
    for at, line in enumerate(lines):
        if line == "{":
            begin = at
            while begin > 0 and not re.match(r"$|#|[}/]| \*|.*;$", lines[begin - 1]):
                begin -= 1
        elif line == "}" and begin is not None:
            signature = ATTRIBUTE.sub("", " ".join(lines[begin:at]))
            name = re.search(r"(\w+)\(", signature)
            if name:
                yield Function(name[1], bool(re.search(r"\bstatic\b", signature)), at - begin + 1)
            begin = None


class Sources:
    def __init__(self, root):
        self.folders = {}  # of COUNTED: how many files
        self.text = {}  # of each .c and .h
        self.functions = {}
        for tree in COUNTED:
            for folder, names in files_below(root, tree):
                self.folders[folder] = len(names)
                for name in names:
                    path = f"{folder}/{name}"
                    if name.endswith((".c", ".h")):
                        with open(os.path.join(root, path), encoding="utf-8") as file:
                            self.text[path] = file.read()
        for path, text in self.text.items():
            self.functions[path] = list(functions_of(text))

    def code(self):
        """What is part of a program."""
        return [path for path in self.text if not TEST.search(path)]


def room(path):
    return os.path.dirname(path)


def service(path):
    """services/control of services/control/act/jobs.c."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "services" else parts[0]


def below(path, folder):
    return path.startswith(folder + "/")


def private_includes(sources):
    """(path, header): the header belongs to another house, or to another room."""
    for path in sources.code():
        for header in INCLUDE.findall(sources.text[path]):
            if header not in sources.text:
                continue
            if re.search(r"_(internal|impl)\.h$", header):
                if not below(path, room(header)):
                    yield path, header
            elif service(path) != service(header) != room(header) and not header.startswith(LIBRARIES):
                yield path, header


def declared(sources):
    """{header: names}: what the headers that a file includes, and those that they include, can name."""
    seen = {}

    def closure(path):
        if path not in seen:
            seen[path] = set()
            for header in INCLUDE.findall(sources.text[path]):
                if header in sources.text:
                    seen[path] |= {header} | closure(header)
        return seen[path]

    return {path: closure(path) for path in sources.code()}


def calls(sources):
    """{(room, room): [sentence]}: which room calls functions or reads data of which.

    A macro or an inline function of a header counts as what it calls."""
    words = {path: WORD.findall(COMMENT.sub(" ", text)) for path, text in sources.text.items()}
    home = {}  # {function: room}
    for path in sources.code():
        if path.endswith(".c"):
            home.update((f.name, room(path)) for f in sources.functions[path] if not f.static)
            home.update((name, room(path)) for name in DATA.findall(sources.text[path]))
    aliases = {}  # {macro or inline function: the names in it}
    headers = {}  # {name: the headers that declare it}
    for path in sources.code():
        if path.endswith(".h"):
            text = COMMENT.sub(" ", sources.text[path])
            data = EXTERN.findall(text)
            bodies = MACRO.findall(text) + INLINE.findall(text)
            for name, body in bodies:
                aliases.setdefault(name, set()).update(WORD.findall(body))
            for name in data + [name for name, _ in bodies] + PROTOTYPE.findall(text):
                headers.setdefault(name, set()).add(path)

    def callees(name, seen):
        if name in seen:
            return
        seen.add(name)
        if name in home:
            yield name
        for inner in aliases.get(name, ()):
            yield from callees(inner, seen)

    edges = {}
    for path, included in declared(sources).items():
        if not path.endswith(".c"):
            continue
        own = {f.name for f in sources.functions[path]}
        names = {n for n in set(words[path]) - own if headers.get(n, set()) & included}
        for name in sorted(names):
            for callee in sorted(callees(name, set())):
                if home[callee] != room(path):
                    edges.setdefault((room(path), home[callee]), []).append(f"{path} uses {callee}")
    return edges


def unplaced_rooms(sources):
    return sorted({room(path) for path in sources.code()} - set(ROOMS))


def findings(sources):
    """{(kind, what): (value, sentence)} of all that does not follow the rules."""
    found = {}
    for path, header in private_includes(sources):
        found["include", f"{path} {header}"] = (0, f"{path}: includes {header}, which is private")
    for (caller, callee), what in calls(sources).items():
        if caller in ROOMS and callee in ROOMS and ROOMS.index(caller) < ROOMS.index(callee):
            found["call", f"{caller} {callee}"] = (0, f"{caller} calls {callee}, which is above it: {what[0]}")
    for path, text in sources.text.items():
        if not path.endswith(".c"):
            continue
        test = bool(TEST.search(path))
        lines = text.count("\n")
        if lines > (LINES_OF_TEST if test else LINES):
            found["lines", path] = (lines, f"{path}: has {lines} lines")
        for function in sources.functions[path]:
            if function.lines > (FUNCTION_OF_TEST if test else FUNCTION):
                found["function", f"{path} {function.name}"] = (
                    function.lines, f"{path}: {function.name} has {function.lines} lines")
    for folder, count in sources.folders.items():
        if count > FILES:
            found["folder", folder] = (count, f"{folder}: has {count} files")
    return found


def read_allowed(path):
    """A line is KIND WHAT... [VALUE]; what begins with # is a comment."""
    allowed = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.split("#")[0].split()
                if words:
                    value = int(words.pop()) if words[-1].isdigit() else 0
                    allowed[words[0], " ".join(words[1:])] = value
    return allowed


def write_allowed(path, found):
    with open(path, "w", encoding="utf-8") as file:
        file.write("# What does not follow the rules yet: see rooms.py. Lines only go, none comes.\n")
        for (kind, what), (value, _) in sorted(found.items()):
            file.write(f"{kind} {what}{f' {value}' if value else ''}\n")


def check(root, allowed_path):
    """Sentences about what is wrong; empty when nothing is."""
    sources = Sources(root)
    found = findings(sources)
    allowed = read_allowed(allowed_path)
    said = [f"{folder}: is not in ROOMS of tests/lint/rooms.py; put it where the rooms that it calls are above it"
            for folder in unplaced_rooms(sources)]
    for key, (value, sentence) in found.items():
        if key not in allowed:
            said.append(sentence)
        elif value > allowed[key]:
            said.append(f"{sentence}, allowed are {allowed[key]}")
    said += [f"{os.path.basename(allowed_path)}: remove \"{' '.join(key)}\", it is no longer needed"
             for key in allowed if key not in found]
    return said


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    allowed = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rooms.allowed")
    if sys.argv[1:] == ["--update"]:
        write_allowed(allowed, findings(Sources(root)))
        return 0
    said = check(root, allowed)
    for sentence in said:
        print(sentence, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())

"""tests/lint/rooms.py finds what breaks the rules, in sources made for it."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lint"))

import rooms  # noqa: E402

LOW = "services/storage/task"
HIGH = "services/storage/write"


@pytest.fixture
def tree(folder):
    """Adds files, and says what the check finds in them, with these lines in the list of what is allowed."""

    class Tree:
        def add(self, path, text):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)

        def check(self, *allowed):
            (folder / "rooms.allowed").write_text("".join(line + "\n" for line in allowed))
            return rooms.check(str(folder), str(folder / "rooms.allowed"))

    tree = Tree()
    tree.add(f"{LOW}/merge.h", "int merge(int a);\n")
    tree.add(f"{LOW}/merge.c", f'#include "{LOW}/merge.h"\n\nint merge(int a)\n{{\n    return a;\n}}\n')
    tree.add(f"{HIGH}/commit.h", "void commit(void);\n")
    tree.add(f"{HIGH}/commit.c", f'#include "{LOW}/merge.h"\n\nvoid commit(void)\n{{\n    merge(1);\n}}\n')
    return tree


def function(lines, name="long_one"):
    return f"int {name}(void)\n{{\n" + "    call();\n" * (lines - 3) + "}\n"


def test_a_room_may_call_those_above_it(tree):
    assert tree.check() == []


def test_a_call_of_a_room_below_is_found(tree):
    tree.add(f"{LOW}/late.c", f'#include "{HIGH}/commit.h"\n\nint late(void)\n{{\n    commit();\n    return 0;\n}}\n')
    (said,) = tree.check()
    assert said.startswith(f"{LOW} calls {HIGH}") and "late.c uses commit" in said


@pytest.mark.parametrize("declared", [
    "#define LATER() \\\n    commit()\n",
    "static inline void LATER(void)\n{\n    commit();\n}\n",
])
def test_so_is_one_through_a_macro_or_an_inline_function(tree, declared):
    tree.add(f"{LOW}/late.h", f'#include "{HIGH}/commit.h"\n{declared}')
    tree.add(f"{LOW}/late.c", f'#include "{LOW}/late.h"\n\nint late(void)\n{{\n    LATER();\n    return 0;\n}}\n')
    assert any("late.c uses commit" in said for said in tree.check())


def test_names_in_comments_texts_and_members_are_no_calls(tree):
    tree.add(f"{LOW}/late.c", f'#include "{HIGH}/commit.h"\n\nint late(struct x *x)\n{{\n'
             '    /* commit */\n    puts("commit()");\n    return x->commit;\n}\n')
    assert tree.check() == []


@pytest.mark.parametrize("path, header, private", [
    ("services/storage/service.c", "services/storage/store_internal.h", False),
    ("services/storage/write/commit.c", "services/storage/store_internal.h", False),
    ("services/storage/write/commit.c", "services/storage/task/task_internal.h", True),
    ("services/storage/write/commit.c", "services/storage/task/merge.h", False),
    ("gateway/gateway.c", "services/storage/task/merge.h", True),
    ("gateway/gateway.c", "services/storage/store.h", False),
    ("gateway/gateway.c", "services/common/text/buf.h", False),
    ("gateway/gateway_test.c", "services/storage/task/merge.h", False),
])
def test_a_private_header_is_included_in_its_room_only(tree, path, header, private):
    tree.add(header, "\n")
    tree.add(path, f'#include "{header}"\n')
    assert tree.check() == ([f"{path}: includes {header}, which is private"] if private else [])


@pytest.mark.parametrize("path, lines, said", [
    ("services/broker/url.c", 500, False),
    ("services/broker/url.c", 501, True),
    ("services/broker/url_test.c", 1000, False),
    ("services/broker/url_test.c", 1001, True),
])
def test_long_files_are_found(tree, path, lines, said):
    tree.add(path, "\n" * lines)
    assert bool(tree.check()) == said


@pytest.mark.parametrize("path, lines, said", [
    ("services/broker/url.c", 60, False),
    ("services/broker/url.c", 61, True),
    ("services/broker/url_test.c", 100, False),
    ("services/broker/url_test.c", 101, True),
])
def test_long_functions_are_found(tree, path, lines, said):
    tree.add(path, function(3, "short_one") + "\n" + function(lines))
    assert tree.check() == ([f"{path}: long_one has {lines} lines"] if said else [])


def test_full_folders_are_found(tree):
    for number in range(26):
        tree.add(f"frontend/app/lib/{number}.ts", "")
    assert tree.check() == ["frontend/app/lib: has 26 files"]


def test_a_folder_that_nobody_has_placed_is_found(tree):
    tree.add("services/mailer/mail.c", "\n")
    (said,) = tree.check()
    assert said.startswith("services/mailer: is not in ROOMS")


def test_what_is_allowed_may_stay_but_not_grow(tree):
    tree.add("services/broker/url.c", "\n" * 600)
    assert tree.check("lines services/broker/url.c 600") == []
    assert tree.check("lines services/broker/url.c 599") == [
        "services/broker/url.c: has 600 lines, allowed are 599"]


def test_what_is_allowed_for_nothing_goes(tree):
    assert tree.check("lines services/broker/url.c 600", "call gateway services/launcher  # later") == [
        'rooms.allowed: remove "lines services/broker/url.c", it is no longer needed',
        'rooms.allowed: remove "call gateway services/launcher", it is no longer needed']


def test_our_own_sources_follow_the_rules():
    lint = pathlib.Path(rooms.__file__).parent
    assert rooms.check(str(lint.parents[1]), str(lint / "rooms.allowed")) == []

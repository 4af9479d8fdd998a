"""The release programs are built with what the compiler has against exploits."""

import platform
import re
import subprocess

import pytest

from rig.kanchi import bin_folder

PROGRAMS = ("kanchi", "kanchi-aggregation", "kanchi-control", "kanchi-gateway", "kanchi-ingestion",
            "kanchi-storage")
CONTROL_FLOW = {"x86_64": "-fcf-protection=full", "aarch64": "-mbranch-protection=standard"}


def readelf(*words):
    return subprocess.run(["readelf", "-W", *words], check=True, text=True, capture_output=True,
                          timeout=60).stdout


@pytest.fixture(params=PROGRAMS)
def program(request):
    return bin_folder(release=True) / request.param


def test_it_is_loaded_anywhere_and_nothing_is_both_written_and_run(program):
    assert re.search(r"Type:\s+DYN", readelf("-h", program))
    segments = readelf("-l", program)
    assert "GNU_RELRO" in segments
    flags = re.findall(r"^ +(?:LOAD|GNU_STACK).* ([R ][W ][E ]) 0x", segments, re.M)
    assert len(flags) > 2 and not any("W" in one and "E" in one for one in flags), segments


def test_what_it_calls_is_bound_at_start(program):
    dynamic = readelf("-d", program)
    assert "BIND_NOW" in dynamic and re.search(r"Flags:.*\bNOW\b.*\bPIE\b", dynamic), dynamic


def test_its_stack_and_its_copies_are_checked(program):
    symbols = readelf("--dyn-syms", program)
    assert "__stack_chk_fail" in symbols and "__snprintf_chk" in symbols


def test_each_of_its_files_was_compiled_with_protection(program):
    """The compiler notes its options."""
    text = readelf("-p", ".debug_str", "-p", ".debug_line_str", program)
    compiled = re.findall(r"GNU C\d+ .*|clang version .*", text)
    if not any("GNU C" in one for one in compiled):
        pytest.skip("this compiler does not note its options")
    wanted = ["-fPIE", "-fstack-clash-protection", "-fstack-protector-strong"]
    wanted += filter(None, [CONTROL_FLOW.get(platform.machine())])
    for one in compiled:
        assert all(flag in one for flag in wanted), one

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, imported, modules

# import-linter checks what is imported today; this names every library that has a room at all.
ROOM_OF = {
    "pydicom": "dicom",
    "pynetdicom": "dicom",
    "pylibjpeg": "dicom",
    "highdicom": "dicom",
    "tritonclient": "triton",
    "grpc": "triton",
    "tensorrt": "builder",
    "paho": "mqtt",
    "iotcore": "mqtt",
    "smtplib": "notify",
    "sqlite3": "spool",
    "xxhash": "spool",
    "cryptography": "tls",
    "starlette": "console",
    "prometheus_client": "telemetry",
    "structlog": "telemetry",
}


def test_imports_point_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    linted = subprocess.run(
        [program, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("library", sorted(ROOM_OF))
def test_a_vendor_is_imported_in_its_room_only(library: str) -> None:
    assert importers(library) <= {ROOM_OF[library]}


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_graphs_are_served_in_one_room_and_converted_in_another(library: str) -> None:
    assert importers(library) == {"triton", "builder"}


def importers(library: str) -> set[str]:
    """The rooms, or files outside of any, that import a library."""
    return {
        path.parts[1]
        for path, tree in modules("edge").items()
        if any(name.split(".")[0] == library for name in imported(tree))
    }


def test_unit_tests_open_no_socket_and_do_not_sleep() -> None:
    waits = {"sleep", "create_connection", "create_server"}
    guilty: list[str] = []
    for path, tree in modules("tests/unit").items():
        guilty += [f"{path}: imports {name}" for name in imported(tree) & {"socket", "socketserver"}]
        guilty += [f"{path}:{line}: {call}" for line, call in _calls(tree) if call in waits]
    assert guilty == []


def _calls(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, name) of every call but sleep(0), which only gives way to other coroutines."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(args=[ast.Constant(value=0)]):
                pass
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
                found.append((node.lineno, name))
            case _:
                pass
    return found


def test_a_receiver_does_not_carry_what_only_others_need() -> None:
    asked = "import sys, edge.cli, edge.receiver_wiring; edge.cli._parser(['receive']); print(*sys.modules)"
    command = [sys.executable, "-c", asked]
    loaded = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    others = {"onnxruntime", "grpc", "tritonclient", "paho", "scipy", "numpy", "pydicom", "pynetdicom"}
    assert not others & set(loaded)

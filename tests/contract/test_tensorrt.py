"""TensorRT as far as a machine has it: the names we use in its bindings, and a plan where there is a GPU.

The bindings' wheels hold the Python names of TensorRT without TensorRT itself, so that a name which
one version lacks is found on any machine.
"""

from __future__ import annotations

import ast
import inspect
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.builder import tensorrt_api, tensorrt_child
from edge.builder.plan import NoPlan, build_plan, find_site
from edge.builder.precision import Precision, half
from edge.builder.served_plan import ServedPlan
from edge.builder.session import read_graph, write_graph
from edge.builder.variants import Variant
from edge.clock import SystemClock
from edge.models.contract import load_clinical_model
from tests.triton_fixtures import MODEL_FOLDER, shared_state_dir

PACKAGE = "tensorrt-cu12-bindings"
# JetPack 6, JetPack 7.2, the newest.
VERSIONS = ("10.3.0", "10.16.1.11", "11.4.0.106")
DOWNLOAD_S = 60.0
# Gone with 11; they show that the search can tell.
REMOVED = ("EXPLICIT_BATCH", "platform_has_fast_fp16")


def used_names() -> set[str]:
    """Every class, method, attribute and enumerator of TensorRT that the builder's Protocols name."""
    protocols = [
        c for c in vars(tensorrt_api).values() if inspect.isclass(c) and c.__module__.endswith("_api")
    ]
    members = {n for p in protocols for n in (*vars(p), *inspect.get_annotations(p)) if not n.startswith("_")}
    return members | set(tensorrt_api.ENUMERATORS)


def wheel(version: str) -> Path:
    """Kept between runs, like everything that tests download."""
    folder = shared_state_dir() / "tensorrt-bindings" / version
    kept = sorted(folder.glob("*.whl"))
    if kept:
        return kept[0]
    platforms = ("--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    wanted = ("--python-version=3.11", *platforms, f"--dest={folder}", f"{PACKAGE}=={version}")
    try:
        subprocess.run([*pip, *wanted], check=True, timeout=DOWNLOAD_S, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(folder, ignore_errors=True)
        if os.environ.get("EDGE_REQUIRE_PEERS") == "1":
            pytest.fail(f"EDGE_REQUIRE_PEERS=1 but {PACKAGE} {version} cannot be downloaded: {error}")
        pytest.skip(f"{PACKAGE} {version} cannot be downloaded here")
    return next(folder.glob("*.whl"))


@pytest.fixture(params=VERSIONS)
def bindings(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    with zipfile.ZipFile(wheel(request.param)) as archive:
        names = [
            n for n in archive.namelist() if n.endswith(("/tensorrt.so", "tensorrt_bindings/__init__.py"))
        ]
        return request.param, b"".join(archive.read(n) for n in names)


def missing(names: set[str], content: bytes) -> set[str]:
    """pybind11 keeps each name as a C string; `__version__` stands in the Python part."""
    return {n for n in names if n.encode() + b"\0" not in content and f"\n{n} =".encode() not in content}


def test_every_name_the_builder_uses_is_in_the_bindings(bindings: tuple[str, bytes]) -> None:
    names = used_names()
    assert {"build_serialized_network", "execute_async_v3", "STRONGLY_TYPED", "UINT8"} <= names
    assert missing(names, bindings[1]) == set()


def test_the_search_notices_what_11_removed(bindings: tuple[str, bytes]) -> None:
    version, content = bindings
    gone = set(REMOVED) if version.startswith("11.") else set()
    assert missing(set(REMOVED), content) == gone


def test_the_child_reaches_into_tensorrt_only_by_names_that_were_looked_up() -> None:
    tree = ast.parse(Path(tensorrt_child.__file__).read_text())
    reached = set(_attributes_of(tree, "trt")) - {"__version__"}
    assert {"Builder", "WORKSPACE", "DETAILED"} <= reached
    assert reached <= used_names()


def _attributes_of(tree: ast.AST, name: str) -> Iterator[str]:
    """x and y of every `name.x.y`."""
    for found in ast.walk(tree):
        match found:
            case ast.Attribute(value=ast.Name(id=owner), attr=first) if owner == name:
                yield first
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=owner)), attr=second) if owner == name:
                yield second
            case _:
                pass


def test_networks_are_strongly_typed_in_10_and_need_no_flag_in_11() -> None:
    class Module:
        class NetworkDefinitionCreationFlag:
            STRONGLY_TYPED = 1

        def __init__(self, version: str) -> None:
            self.__version__ = version

    flags: list[int] = []
    for version in VERSIONS:
        module: Any = Module(version)
        flags.append(tensorrt_api.network_flags(module))
    assert flags == [2, 2, 0]


def test_a_plan_is_built_asked_and_served_where_there_is_a_gpu(tmp_path: Path) -> None:
    site = find_site()
    if isinstance(site, NoPlan):
        pytest.skip(f"no plan can be built here: {site.reason}")
    folder = Path(shutil.copytree(MODEL_FOLDER, tmp_path / MODEL_FOLDER.name))
    graph = tmp_path / "fp16.onnx"
    write_graph(half(read_graph(folder / "1" / "model.onnx")), graph)
    variant = Variant(Precision.FP16, graph, "", 0, None, None, (), "")
    model = load_clinical_model(folder)
    record = build_plan(model, folder, variant, tmp_path, site, SystemClock(), print)
    assert ServedPlan(folder).record == record
    assert record.golden_cases == 3

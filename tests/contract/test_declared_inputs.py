"""A real tritonserver whose model takes HU as FP16, as a TensorRT plan does."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.builder.session import read_graph, write_graph
from edge.builder.tensorrt_input import for_tensorrt
from edge.golden import load_golden_cases
from edge.triton.client import TritonServer
from edge.triton.provision import Installation
from tests.triton_fixtures import MODEL, MODEL_FOLDER, RunningTriton

CASES = load_golden_cases(MODEL_FOLDER)


@pytest.fixture
def fp16_repository(tmp_path: Path) -> Path:
    """The baseline as TensorRT would get it, served by the python backend."""
    folder = tmp_path / "repository" / MODEL
    shutil.copytree(MODEL_FOLDER, folder)
    graph = folder / "1" / "model.onnx"
    write_graph(for_tensorrt(read_graph(graph)), graph)
    config = folder / "configs" / "cpu.pbtxt"
    config.write_text(config.read_text().replace("TYPE_INT16", "TYPE_FP16"))
    return folder.parent


@pytest.fixture
def fp16_triton(installation: Installation, tmp_path: Path, fp16_repository: Path) -> Iterator[RunningTriton]:
    server = RunningTriton(installation, tmp_path, fp16_repository)
    server.start()
    yield server
    server.stop()


def answered(server: TritonServer) -> list[str | None]:
    async def ask() -> list[str | None]:
        try:
            results = [await server.infer(case.request(MODEL, 10.0)) for case in CASES]
        finally:
            await server.close()
        return [c.mismatch(r.outputs) for c, r in zip(CASES, results, strict=True)]

    return asyncio.run(ask())


@pytest.mark.parametrize("shared_memory", [True, False])
def test_hu_are_cast_to_what_the_server_declares(fp16_triton: RunningTriton, shared_memory: bool) -> None:
    url = fp16_triton.settings.triton.grpc_url
    assert answered(TritonServer(url, shared_memory=shared_memory, in_flight=2)) == [None] * len(CASES)


def test_a_model_that_changes_its_type_is_asked_again(
    fp16_triton: RunningTriton, fp16_repository: Path
) -> None:
    async def play() -> list[str | None]:
        server = TritonServer(fp16_triton.settings.triton.grpc_url, shared_memory=True, in_flight=1)
        try:
            before = await server.infer(CASES[0].request(MODEL, 10.0))
            shutil.copytree(MODEL_FOLDER, fp16_repository / MODEL, dirs_exist_ok=True)
            await server.reload(MODEL)
            after = await server.infer(CASES[0].request(MODEL, 10.0))
        finally:
            await server.close()
        return [CASES[0].mismatch(r.outputs) for r in (before, after)]

    assert asyncio.run(play()) == [None, None]

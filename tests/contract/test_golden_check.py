"""`edge models check --server` and `edge models list` against a real tritonserver."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.errors import RefuseModel, RetryPeer
from edge.list_command import listing
from edge.triton.client import TritonServer
from edge.triton.golden_check import check_golden_cases
from tests.triton_fixtures import MODEL, MODEL_FOLDER, RunningTriton

OTHER = "ct_head_hemorrhage"


def test_every_golden_case_is_asked(triton: RunningTriton) -> None:
    url = triton.settings.triton.grpc_url
    assert asyncio.run(check_golden_cases(MODEL_FOLDER, url, 30.0)) == 3


def test_a_server_that_answers_otherwise_is_refused_by_case(triton: RunningTriton, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODEL_FOLDER, tmp_path / MODEL))
    path = folder / "golden" / "epidural.npz"
    with np.load(path) as arrays:
        wrong = {name: arrays[name] for name in arrays.files}
    wrong["output.probability"] = wrong["output.probability"] - np.float32(0.1)
    np.savez(path, **wrong)
    with pytest.raises(RefuseModel, match=r"golden case epidural: probability is off by up to 0\.1"):
        asyncio.run(check_golden_cases(folder, triton.settings.triton.grpc_url, 30.0))


def test_a_server_without_the_model_may_get_it_later(triton: RunningTriton, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODEL_FOLDER, tmp_path / "another_model"))
    with pytest.raises(RetryPeer):
        asyncio.run(check_golden_cases(folder, triton.settings.triton.grpc_url, 5.0))


def test_the_list_tells_how_the_server_serves_the_model(triton: RunningTriton) -> None:
    lines = list(listing(triton.settings, [MODEL_FOLDER]))
    url = triton.settings.triton.grpc_url
    assert lines[-1] == (
        f"  triton     {url} serves it in fp32 on ONNX Runtime (python backend), slab_hu as INT16"
    )


def test_metadata_of_a_server_that_is_not_there_means_retry() -> None:
    async def ask() -> None:
        server = TritonServer("127.0.0.1:1", shared_memory=False, in_flight=1)
        try:
            await server.metadata(MODEL)
        finally:
            await server.close()

    with pytest.raises(RetryPeer):
        asyncio.run(ask())


def test_a_check_without_a_model_asks_what_the_server_serves(
    triton: RunningTriton, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An appliance's Triton loads the active model and no other."""
    monkeypatch.setenv("EDGE_MODELS__REPOSITORY", str(MODEL_FOLDER.parent))
    url = triton.settings.triton.grpc_url
    assert main(["models", "check", "--server", url]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"ok  {OTHER}, which {url} does not serve",
        f"ok  {MODEL}, 3 golden cases through Triton",
    ]
    assert main(["models", "check", OTHER, "--server", url]) == 69


def test_a_server_that_serves_none_of_the_folders_fails_the_check(
    triton: RunningTriton,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(MODEL_FOLDER.parent / OTHER, tmp_path / OTHER)
    monkeypatch.setenv("EDGE_MODELS__REPOSITORY", str(tmp_path))
    url = triton.settings.triton.grpc_url
    assert main(["models", "check", "--server", url]) == 69
    said = capsys.readouterr()
    assert f"{url} serves none of {OTHER}. Hint: It serves {MODEL}." in said.err
    assert said.out == ""


def test_a_server_that_is_not_there_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MODELS__REPOSITORY", str(MODEL_FOLDER.parent))
    assert main(["models", "check", "--server", "127.0.0.1:1"]) == 69

"""One suite for every InferenceServer: the fake, the ONNX Runtime worker and a real tritonserver."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from edge.errors import RefuseModel, RetryPeer
from edge.ports import InferenceServer, TensorSpec
from edge.triton.canary import GoldenCase, load_golden_case
from edge.triton.regions import PREFIX, SHARED_MEMORY
from tests.contract.inference_peers import FakePeer, Peer, TritonPeer, WorkerPeer, eventually, worker_pids
from tests.triton_fixtures import MODEL, MODEL_FOLDER

CASES = [load_golden_case(p) for p in sorted((MODEL_FOLDER / "golden").glob("*.npz"))]
BLEED = next(c for c in CASES if c.name == "canary")
_T = TypeVar("_T")


@pytest.fixture(params=["fake", "onnx_worker", "triton_shared_memory", "triton_inline"])
def peer(request: pytest.FixtureRequest) -> Peer:
    match request.param:
        case "fake":
            return FakePeer(CASES)
        case "onnx_worker":
            return WorkerPeer()
        case kind:
            triton = request.getfixturevalue("triton")
            return TritonPeer(triton, shared_memory=kind == "triton_shared_memory")


def with_server(peer: Peer, play: Callable[[InferenceServer], Awaitable[_T]]) -> _T:
    async def opened_and_closed() -> _T:
        server = peer.opened()
        try:
            return await play(server)
        finally:
            await server.close()

    return asyncio.run(opened_and_closed())


def leftovers() -> list[str]:
    return [p.name for p in SHARED_MEMORY.glob(f"*{PREFIX}{os.getpid()}_*")]


def whole_slab(rows: int) -> dict[str, np.ndarray]:
    return {
        "slab_hu": np.full((1, 3, rows, rows), 35, np.int16),
        "pixel_spacing_mm": np.full((1, 2), 0.45, np.float32),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_known_answers_come_back(peer: Peer, case: GoldenCase) -> None:
    result = with_server(peer, lambda server: server.infer(case.request(MODEL, 10.0)))
    assert case.mismatch(result.outputs) is None
    assert {n: (a.dtype, a.shape) for n, a in result.outputs.items()} == {
        n: (a.dtype, a.shape) for n, a in case.outputs.items()
    }
    assert result.degraded == peer.degraded


def test_answers_of_requests_at_the_same_time_are_not_mixed_up(peer: Peer) -> None:
    asked = CASES * 4

    async def play(server: InferenceServer) -> list[str | None]:
        results = await asyncio.gather(*(server.infer(c.request(MODEL, 30.0)) for c in asked))
        return [c.mismatch(r.outputs) for c, r in zip(asked, results, strict=True)]

    assert with_server(peer, play) == [None] * len(asked)
    assert leftovers() == []
    assert worker_pids() == []


def test_an_answer_stays_what_it_was_when_the_next_one_comes(peer: Peer) -> None:
    async def play(server: InferenceServer) -> bool:
        first = await server.infer(BLEED.request(MODEL, 10.0))
        for case in CASES:
            await server.infer(case.request(MODEL, 10.0))
        return BLEED.mismatch(first.outputs) is None

    assert with_server(peer, play)


def test_a_wrong_shape_is_refused_for_ever(peer: Peer) -> None:
    request = BLEED.request(MODEL, 10.0)
    four_slices = np.zeros((1, 4, 128, 128), np.int16)
    wrong = replace(request, inputs={**request.inputs, "slab_hu": four_slices})

    async def play(server: InferenceServer) -> bool:
        with pytest.raises(RefuseModel):
            await server.infer(wrong)
        return await eventually(server, BLEED, attempts=1)

    assert with_server(peer, play)


def test_an_unexpected_output_is_not_believed(peer: Peer) -> None:
    request = BLEED.request(MODEL, 10.0)
    wrong = replace(request, outputs={"mask": TensorSpec("uint8", (1, 1, 64, 64))})

    async def play(server: InferenceServer) -> None:
        await server.infer(wrong)

    with pytest.raises((RetryPeer, RefuseModel)):
        with_server(peer, play)


def test_an_unknown_model_may_be_loaded_later(peer: Peer) -> None:
    async def play(server: InferenceServer) -> tuple[bool, bool]:
        with pytest.raises(RetryPeer):
            await server.infer(replace(BLEED.request(MODEL, 5.0), model="not_there"))
        return await server.ready(MODEL), await server.ready("not_there")

    assert with_server(peer, play) == (True, False)


def test_a_deadline_is_kept_and_the_next_request_is_answered_rightly(peer: Peer) -> None:
    late = replace(BLEED.request(MODEL, 0.005), inputs=whole_slab(512))
    late = replace(late, outputs={"mask": TensorSpec("uint8", (1, 1, 512, 512))})

    async def play(server: InferenceServer) -> tuple[float, bool]:
        assert await eventually(server, BLEED)
        began = time.monotonic()
        with pytest.raises(RetryPeer):
            await server.infer(late)
        return time.monotonic() - began, await eventually(server, BLEED)

    took_s, answered = with_server(peer, play)
    assert took_s < 1.0
    assert answered
    assert leftovers() == []


def test_one_who_stops_waiting_does_no_harm(peer: Peer) -> None:
    async def play(server: InferenceServer) -> bool:
        assert await eventually(server, BLEED)
        task = asyncio.create_task(server.infer(BLEED.request(MODEL, 5.0)))
        await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait([task])
        return await eventually(server, BLEED, attempts=1)

    assert with_server(peer, play)
    assert leftovers() == []


def test_a_killed_server_means_retry_and_its_successor_answers(peer: Peer) -> None:
    async def play(server: InferenceServer) -> bool:
        assert await eventually(server, BLEED)
        peer.kill()
        with pytest.raises(RetryPeer):
            await server.infer(BLEED.request(MODEL, 2.0))
        peer.restart()  # not in a thread: the server ends with the thread that starts it
        return await eventually(server, BLEED)

    assert with_server(peer, play)
    assert leftovers() == []
    assert worker_pids() == []


def test_closing_while_the_server_is_down_still_cleans_up(peer: Peer) -> None:
    async def play(server: InferenceServer) -> None:
        assert await eventually(server, BLEED)
        peer.kill()

    with_server(peer, play)
    assert leftovers() == []
    assert worker_pids() == []

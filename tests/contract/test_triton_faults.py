"""Faults that only a real tritonserver has: dead stub, hang, forgotten regions, other people's leftovers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.clock import SystemClock
from edge.domain.queueing import Claim, Priority
from edge.ports import InferResult
from edge.telemetry.degraded_events import SharedMemoryChanged, TritonRestarted
from edge.telemetry.events import Happening, TritonHealthChanged
from edge.triton.canary import load_canary
from edge.triton.client import TritonServer
from edge.triton.dispatch import InferenceDispatcher, Policy
from edge.triton.embedded import region_prefix, stop_server
from edge.triton.fallback import OnnxWorker
from edge.triton.grpc_channel import CallFailed, GrpcChannel
from edge.triton.regions import PREFIX, SHARED_MEMORY, Region, sweep
from edge.triton.restarts import RestartRemedy
from edge.triton.status import ServerBroken, ServerLate
from tests.triton_fixtures import MODEL, MODEL_FOLDER, ROOT, RunningTriton

CANARY = load_canary(MODEL_FOLDER, deadline_s=2.0)
CASE = CANARY.case


def client(triton: RunningTriton) -> TritonServer:
    triton.ensure()
    return TritonServer(triton.settings.triton.grpc_url, shared_memory=True, in_flight=2)


def play(triton: RunningTriton, scene: Callable[[TritonServer], Coroutine[Any, Any, None]]) -> None:
    async def opened_and_closed() -> None:
        server = client(triton)
        try:
            await scene(server)
        finally:
            await server.close()

    asyncio.run(opened_and_closed())


def test_it_starts_within_two_seconds_on_loopback_only(triton: RunningTriton) -> None:
    triton.ensure()
    triton.end()
    assert triton.start() < 2.0
    listening = Path(f"/proc/{triton.pid}/net/tcp").read_text().splitlines()[1:]
    mine = {f"{int(url):04X}" for url in _ports(triton)}
    addresses = {line.split()[1].split(":")[0] for line in listening if line.split()[1].split(":")[1] in mine}
    assert addresses == {"0100007F"}


def test_a_dead_stub_is_found_by_the_canary_though_ready_and_cured_by_a_reload(
    triton: RunningTriton,
) -> None:
    async def scene(server: TritonServer) -> None:
        await CANARY.check(server)
        os.kill(triton.stub_pid, signal.SIGKILL)
        await asyncio.sleep(0.2)
        assert await server.ready(MODEL)
        with pytest.raises(ServerBroken):
            await CANARY.check(server)
        await server.reload(MODEL)
        await CANARY.check(server)

    play(triton, scene)


def test_a_frozen_server_costs_one_deadline_and_its_late_words_reach_nobody(triton: RunningTriton) -> None:
    async def scene(server: TritonServer) -> None:
        await CANARY.check(server)
        triton.signal_server(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(ServerLate):
            await server.infer(CASE.request(MODEL, 0.5))
        assert time.monotonic() - began < 1.0
        triton.signal_server(signal.SIGCONT)
        await CANARY.check(server)

    play(triton, scene)


def test_the_server_writes_into_shared_memory_and_not_into_the_message(triton: RunningTriton) -> None:
    async def scene(server: TritonServer) -> None:
        await CANARY.check(server)
        assert server.inline_because == ""
        regions = list(SHARED_MEMORY.glob(f"{PREFIX}{os.getpid()}_*"))
        assert len(regions) == 1
        assert regions[0].stat().st_mode & 0o777 == 0o600

    play(triton, scene)


def test_full_shared_memory_falls_back_to_the_message_and_is_told(
    triton: RunningTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Happening] = []

    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    async def scene(_: TritonServer) -> None:
        server = TritonServer(
            triton.settings.triton.grpc_url, shared_memory=True, in_flight=2, emit=told.append
        )
        monkeypatch.setattr(os, "posix_fallocate", full)
        await CANARY.check(server)
        await CANARY.check(server)
        assert told == [SharedMemoryChanged(False, "full", "No space left on device")]
        monkeypatch.undo()
        await CANARY.check(server)
        assert told[1:] == [SharedMemoryChanged(True, "")]
        await server.close()

    play(triton, scene)
    assert list(SHARED_MEMORY.glob(f"*{PREFIX}{os.getpid()}_*")) == []


def test_a_server_that_does_not_see_our_shared_memory_gets_messages_until_it_does(
    triton: RunningTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Happening] = []

    async def hidden(*_: object, **__: object) -> None:
        raise failed

    failed = CallFailed("internal", "Unable to open shared memory region: '/x'")

    async def scene(_: TritonServer) -> None:
        server = TritonServer(
            triton.settings.triton.grpc_url, shared_memory=True, in_flight=2, emit=told.append
        )
        monkeypatch.setattr(GrpcChannel, "register", hidden)
        await CANARY.check(server)
        assert "cannot open our shared memory" in server.inline_because
        assert told == [SharedMemoryChanged(False, "not_seen", failed.message)]
        monkeypatch.undo()
        await CANARY.check(server)
        assert server.inline_because, "it was tried again at once"
        monkeypatch.setattr(server, "_look_again_at", 0.0)
        await CANARY.check(server)
        assert server.inline_because == ""
        assert told[1:] == [SharedMemoryChanged(True, "")]
        await server.close()

    play(triton, scene)
    assert list(SHARED_MEMORY.glob(f"*{PREFIX}{os.getpid()}_*")) == []


def test_shared_memory_that_is_switched_off_is_told_once() -> None:
    told: list[Happening] = []
    server = TritonServer("127.0.0.1:1", shared_memory=False, in_flight=1, emit=told.append)
    asyncio.run(server.close())
    assert told == [SharedMemoryChanged(False, "off")]


def test_regions_of_the_dead_are_swept_and_those_of_the_living_stay() -> None:
    killed = (
        "import os; from edge.triton.regions import Region;"
        "print(Region(4096).name, flush=True); os.kill(os.getpid(), 9)"
    )
    said = subprocess.run(
        [sys.executable, "-c", killed], cwd=ROOT, capture_output=True, text=True, check=False
    )
    left_behind = SHARED_MEMORY / said.stdout.strip()
    assert left_behind.exists()
    mine = Region(4096)
    try:
        assert sweep() >= 1
        assert not left_behind.exists()
        assert (SHARED_MEMORY / mine.name).exists()
    finally:
        mine.unlink()
    assert not (SHARED_MEMORY / mine.name).exists()


def test_killed_before_its_region_is_locked_nothing_is_left_behind() -> None:
    killed = (
        "import fcntl, os; from edge.triton.regions import Region;"
        "fcntl.flock = lambda *_: os.kill(os.getpid(), 9);"
        "print(os.getpid(), flush=True); Region(4096)"
    )
    said = subprocess.run(
        [sys.executable, "-c", killed], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.returncode == -signal.SIGKILL
    assert list(SHARED_MEMORY.glob(f"*{PREFIX}{said.stdout.strip()}_*")) == []


def test_a_restart_sweeps_what_the_killed_server_left(triton: RunningTriton) -> None:
    triton.ensure()
    leftover = SHARED_MEMORY / f"{region_prefix(triton.state_dir)}left-behind"
    leftover.write_bytes(b"\0" * 4096)
    triton.end(signal.SIGKILL)
    triton.start()
    assert not leftover.exists()
    triton.end()
    assert list(SHARED_MEMORY.glob(f"{region_prefix(triton.state_dir)}*")) == []


def test_the_server_ends_with_the_one_who_started_it(triton: RunningTriton) -> None:
    triton.ensure()
    triton.end()
    launch = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(60)"
    parent = subprocess.Popen(
        [sys.executable, "-c", launch, *triton.spec.argv], env=dict(triton.spec.environment)
    )
    while not triton.spec.ready():
        time.sleep(0.05)
    server = int((triton.state_dir / "triton.pid").read_text())
    parent.kill()
    parent.wait()
    began = time.monotonic()
    while _runs(server):
        assert time.monotonic() - began < 10
        time.sleep(0.05)


def test_a_head_in_the_middle_of_a_kill_is_finished_degraded_and_then_served_again(
    triton: RunningTriton,
) -> None:
    happenings: list[Happening] = []

    def health() -> list[str]:
        return [h.health for h in happenings if isinstance(h, TritonHealthChanged)]

    async def scene(server: TritonServer) -> None:
        worker = OnnxWorker(MODEL, MODEL_FOLDER / "1" / "model.onnx")
        policy = Policy(in_flight=2, attempts=4)
        dispatcher = InferenceDispatcher(
            server, CANARY, policy, SystemClock(), happenings.append, fallback=worker
        )
        running = asyncio.create_task(dispatcher.run())
        answers: list[InferResult] = []
        for number in range(60):
            if number == 20:
                triton.end(signal.SIGKILL)
            if number == 50:
                triton.start()  # not in a thread: the server ends with the thread that starts it
                while health()[-1] != "serving":
                    await asyncio.sleep(0.05)
            answers.append(await dispatcher.infer(CASE.request(MODEL, 2.0), Claim(Priority.ARRIVING)))
        running.cancel()
        await asyncio.wait([running])
        await worker.close()
        assert [CASE.mismatch(a.outputs) for a in answers] == [None] * 60
        assert not any(a.degraded for a in answers[:20])
        assert all(a.degraded for a in answers[25:50])
        assert not any(a.degraded for a in answers[50:])

    play(triton, scene)
    assert health() == ["suspect", "serving", "fallback", "serving"]


def _kill_stub(triton: RunningTriton) -> None:
    os.kill(triton.stub_pid, signal.SIGKILL)


def _unload(triton: RunningTriton) -> None:
    port = triton.settings.triton.http_port
    address = f"http://127.0.0.1:{port}/v2/repository/models/{MODEL}/unload"
    urllib.request.urlopen(urllib.request.Request(address, data=b"{}", method="POST"), timeout=5).close()


@pytest.mark.parametrize("harm", [_kill_stub, _unload])
def test_a_dead_stub_or_a_lost_model_is_cured_by_the_dispatcher_alone(
    triton: RunningTriton, harm: Callable[[RunningTriton], None]
) -> None:
    happenings: list[Happening] = []

    async def scene(server: TritonServer) -> None:
        async def reload() -> None:
            await server.reload(MODEL)

        dispatcher = InferenceDispatcher(
            server,
            CANARY,
            Policy(in_flight=1, attempts=4),
            SystemClock(),
            happenings.append,
            remedies=[reload],
        )
        running = asyncio.create_task(dispatcher.run())
        await dispatcher.infer(CASE.request(MODEL, 2.0), Claim(Priority.ARRIVING))
        harm(triton)
        began = time.monotonic()
        result = await dispatcher.infer(CASE.request(MODEL, 2.0), Claim(Priority.CLOSING))
        assert CASE.mismatch(result.outputs) is None
        assert time.monotonic() - began < 8.0
        running.cancel()
        await asyncio.wait([running])

    play(triton, scene)


def test_a_server_that_is_alive_but_silent_is_ended_once_and_served_again_after_its_supervisor(
    triton: RunningTriton,
) -> None:
    happenings: list[Happening] = []

    async def scene(server: TritonServer) -> None:
        async def reload() -> None:
            await server.reload(MODEL)

        restart = RestartRemedy(
            lambda: stop_server(triton.state_dir), reload, SystemClock(), happenings.append
        )
        dispatcher = InferenceDispatcher(
            server,
            load_canary(MODEL_FOLDER, deadline_s=3.0),
            Policy(in_flight=1, attempts=2),
            SystemClock(),
            happenings.append,
            remedies=[restart],
        )
        running = asyncio.create_task(dispatcher.run())
        await dispatcher.infer(CASE.request(MODEL, 2.0), Claim(Priority.ARRIVING))
        triton.signal_server(signal.SIGSTOP)
        waiting = asyncio.create_task(dispatcher.infer(CASE.request(MODEL, 3.0), Claim(Priority.ARRIVING)))
        assert await asyncio.to_thread(triton.reap, 60) == -signal.SIGKILL
        triton.start()
        result = await asyncio.wait_for(waiting, 60)
        assert CASE.mismatch(result.outputs) is None
        running.cancel()
        await asyncio.wait([running])

    play(triton, scene)
    assert [h.times for h in happenings if isinstance(h, TritonRestarted)] == [1]
    assert [h.health for h in happenings if isinstance(h, TritonHealthChanged)][-1] == "serving"


def test_the_last_remedy_kills_the_server_for_its_supervisor(triton: RunningTriton) -> None:
    triton.ensure()
    assert stop_server(triton.state_dir)
    assert triton.reap() == -signal.SIGKILL
    assert not stop_server(triton.state_dir)


def test_a_stub_with_numpy_two_refuses_to_serve() -> None:
    source = (MODEL_FOLDER / "1" / "model.py").read_text()
    assert int(np.__version__.split(".")[0]) >= 2

    class PbUtils:
        class TritonModelException(Exception):
            pass

    sys.modules["triton_python_backend_utils"] = PbUtils  # type: ignore[assignment]
    try:
        served: dict[str, Any] = {}
        exec(compile(source, "model.py", "exec"), served)
        with pytest.raises(PbUtils.TritonModelException, match="numpy < 2"):
            served["TritonPythonModel"]().initialize({"model_config": "{}"})
    finally:
        del sys.modules["triton_python_backend_utils"]


def _runs(pid: int) -> bool:
    """False for a zombie too: whoever adopted the orphan may be slow to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _ports(triton: RunningTriton) -> tuple[int, int, int]:
    chosen = triton.settings.triton
    return int(chosen.grpc_url.rpartition(":")[2]), chosen.http_port, chosen.metrics_port

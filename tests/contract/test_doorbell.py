"""The doorbell between two processes: heard when somebody listens, harmless when nobody does."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.domain.identity import AssociationId
from edge.spool.doorbell import Bell, Doorbell
from edge.spool.inbox import Inbox
from tests.contract.spool_child import ROOT
from tests.contract.storing import store
from tests.fakes.clock import FakeClock

SOON_S = 5.0
NEVER_S = 60.0


def waited(bell: Doorbell, timeout_s: float) -> float:
    started = time.monotonic()
    asyncio.run(bell.wait(timeout_s))
    return time.monotonic() - started


def long_folder(tmp_path: Path) -> Path:
    folder = tmp_path / ("long" * 30) / ("folder" * 20)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(params=["short", "long"])
def state_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path if request.param == "short" else long_folder(tmp_path)


def test_a_ring_of_another_process_wakes_who_waits(state_dir: Path) -> None:
    bell = Doorbell(state_dir)
    program = "import sys, pathlib, edge.spool.doorbell as d; d.Bell(pathlib.Path(sys.argv[1])).ring()"

    async def wait_and_be_rung() -> None:
        waiting = asyncio.create_task(bell.wait(NEVER_S))
        await asyncio.sleep(0)
        command = [sys.executable, "-c", program, str(state_dir)]
        await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True)
        await asyncio.wait_for(waiting, SOON_S)

    asyncio.run(wait_and_be_rung())
    bell.close()


def test_a_ring_before_the_wait_is_not_lost_and_many_count_once(state_dir: Path) -> None:
    bell, ringing = Doorbell(state_dir), Bell(state_dir)
    for _ in range(1000):
        ringing.ring()
    assert waited(bell, NEVER_S) < SOON_S
    assert waited(bell, 0.1) >= 0.1
    bell.close()


def test_ringing_where_nobody_listens_is_harmless(tmp_path: Path) -> None:
    ringing = Bell(tmp_path / "made")
    ringing.ring()
    Doorbell(tmp_path / "made").close()
    ringing.ring()
    (tmp_path / "made" / "doorbell").touch()
    ringing.ring()
    ringing.close()
    ringing.ring()


def test_a_doorbell_replaces_the_one_of_an_agent_that_was_killed(tmp_path: Path) -> None:
    abandoned = Doorbell(tmp_path)
    bell = Doorbell(tmp_path)
    Bell(tmp_path).ring()
    assert waited(bell, NEVER_S) < SOON_S
    assert stat.S_IMODE((tmp_path / "doorbell").stat().st_mode) == 0o600
    abandoned._socket.close()
    bell.close()
    assert not (tmp_path / "doorbell").exists()


def test_a_cancelled_wait_leaves_the_bell_usable(tmp_path: Path) -> None:
    bell = Doorbell(tmp_path)

    async def cancel_then_wait() -> None:
        waiting = asyncio.create_task(bell.wait(NEVER_S))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        Bell(tmp_path).ring()
        await asyncio.wait_for(bell.wait(NEVER_S), SOON_S)

    asyncio.run(cancel_then_wait())
    bell.close()


def test_every_new_row_of_the_inbox_rings(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())
    bell, here = Doorbell(tmp_path), AssociationId("a")
    happenings = [
        lambda: inbox.association_opened(here, "CT", "EDGE", "127.0.0.1"),
        lambda: store(inbox, b"pixels"),
        lambda: store(inbox, b"pixels"),
        lambda: store(inbox, b"other"),
        lambda: inbox.association_released(here),
    ]
    for happening in happenings:
        happening()
        assert waited(bell, NEVER_S) < SOON_S
    bell.close()
    inbox.close()

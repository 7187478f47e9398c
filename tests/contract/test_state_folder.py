"""One owner per role, one key per appliance, and clocks that go forward."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.errors import FixConfiguration
from edge.ports import Clock
from edge.spool import lock
from edge.spool.identity_key import appliance_key
from edge.spool.lock import exclusive
from tests.contract.spool_child import ROOT
from tests.fakes.clock import FakeClock

HOLDER = """
import pathlib, signal, sys
from edge.spool.lock import exclusive
with exclusive(pathlib.Path(sys.argv[1]), "receiver"):
    print("held", flush=True)
    signal.pause()
"""


def test_a_role_has_one_owner_and_the_refusal_names_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        refusal = f"another receiver .process {owner.pid}."
        with pytest.raises(FixConfiguration, match=refusal), exclusive(tmp_path, "receiver"):
            pass
        with exclusive(tmp_path, "agent"):
            pass
        owner.send_signal(signal.SIGKILL)
    with exclusive(tmp_path, "receiver"):
        assert (tmp_path / "receiver.lock").read_text() == f"{os.getpid()}\n"


LEAVES_ORPHAN = """
import multiprocessing, pathlib, signal, sys
from edge.spool.lock import exclusive
from tests.contract.orphan import linger
with exclusive(pathlib.Path(sys.argv[1]), "receiver") as held:
    spawn = multiprocessing.get_context("spawn")
    spawn.Process(target=linger, args=(held, pathlib.Path(sys.argv[2]))).start()
    signal.pause()
"""


def test_nobody_follows_a_killed_owner_before_its_last_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    command = [sys.executable, "-c", LEAVES_ORPHAN, str(tmp_path), str(go)]
    with subprocess.Popen(command, cwd=ROOT) as owner, go.open("w") as orphan:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        with monkeypatch.context() as short:
            short.setattr(lock, "_FOR_ORPHANS_S", 0.2)
            with (
                pytest.raises(FixConfiguration, match="dead, but not all of its"),
                exclusive(tmp_path, "receiver"),
            ):
                pass
        threading.Timer(0.3, orphan.close).start()
        with exclusive(tmp_path, "receiver"):
            assert orphan.closed


def test_a_role_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            exclusive(tmp_path / "state", "agent"),
            pytest.raises(FixConfiguration, match=str(os.getpid())),
            exclusive(tmp_path / "state", "agent"),
        ):
            pass


def test_the_key_is_random_private_and_stays(tmp_path: Path) -> None:
    key = appliance_key(tmp_path / "a")
    assert len(key) == 32
    assert appliance_key(tmp_path / "a") == key
    assert appliance_key(tmp_path / "b") != key
    (path,) = (tmp_path / "a").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_all_who_ask_first_get_the_same_key(tmp_path: Path) -> None:
    for attempt in range(20):
        keys: set[bytes] = set()
        start = threading.Barrier(4)

        def ask(folder: Path, start: threading.Barrier, keys: set[bytes]) -> None:
            start.wait()
            keys.add(appliance_key(folder))

        folder = tmp_path / str(attempt)
        threads = [threading.Thread(target=ask, args=(folder, start, keys)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(keys) == 1
        assert [path.name for path in folder.iterdir()] == ["identity.key"]


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "identity.key").write_bytes(b"short")
    with pytest.raises(FixConfiguration, match="5 bytes instead of 32"):
        appliance_key(tmp_path)


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()])
def test_a_clock_never_goes_back_and_says_utc(clock: Clock) -> None:
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)
    assert clock.utc().tzinfo is UTC

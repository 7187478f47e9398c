"""A restore of the ledger that is killed before any rename or removal: the old or the new one is there."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import FixConfiguration
from edge.spool import restoring
from edge.spool.audit import verify
from edge.spool.identity_key import appliance_key
from edge.spool.ledger import SqliteLedger
from edge.spool.ledger_copy import back_up, put_back, reading_ledger
from tests.fakes.clock import FakeClock
from tests.statements import outcome, result_draft

MOST_STEPS = 40
IN_THE_COPY, SINCE = {"1.2", "1.3"}, {"1.4"}


def killed(work: Callable[[], object]) -> bool:
    """Whether a child that does this was killed by itself."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def concludes(state_dir: Path, *series: str, dies: bool = False) -> None:
    ledger = SqliteLedger(state_dir, clock=FakeClock())
    for uid in series:
        ledger.conclude(outcome(uid), 1, [], result_draft(outcome(uid)))
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    ledger.close()


def restores(state_dir: Path, copy: Path, dies_before: int) -> None:
    left = iter(range(dies_before - 1, -1, -1))

    def count(event: str, _: object) -> None:
        if event in {"os.rename", "os.remove"} and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    put_back(state_dir, copy, accept_older=True)


def held(state_dir: Path) -> set[str]:
    """The series that the ledger knows, once an agent has started on it; it has to be intact."""
    with closing(SqliteLedger(state_dir, clock=FakeClock())) as ledger:
        found = set(ledger.conclusions())
    with reading_ledger(state_dir) as connection:
        assert not verify(connection, state_dir, appliance_key(state_dir)).broken
    return found


def kept(state_dir: Path) -> set[str]:
    with closing(sqlite3.connect(state_dir / restoring.REPLACED)) as old:
        return {uid for (uid,) in old.execute("SELECT series_instance_uid FROM outcome")}


def older(folder: Path) -> tuple[Path, Path]:
    """A ledger whose latest outcome is in its log alone, for its agent was killed, and a copy from before."""
    state_dir, copy = folder / "state", folder / "copy.db"
    concludes(state_dir, *IN_THE_COPY)
    back_up(state_dir, copy)
    assert killed(lambda: concludes(state_dir, *SINCE, dies=True))
    assert (state_dir / "ledger.db-wal").stat().st_size > 0
    return state_dir, copy


def steps(folder: Path, again: Callable[[Path, Path], None]) -> int:
    """How often a restore was killed, each time before one more step, and `again` found all well."""
    made, copy = older(folder)
    for step in range(1, MOST_STEPS):
        state_dir = folder / f"state{step}"
        shutil.copytree(made, state_dir)
        if not killed(lambda: restores(state_dir, copy, step)):  # noqa: B023 - waited for
            assert held(state_dir) == IN_THE_COPY
            return step - 1
        again(state_dir, copy)
    raise AssertionError("it never came to its end")


def test_the_next_start_finds_the_old_one_or_the_new_one_and_nothing_beside_it(tmp_path: Path) -> None:
    found: list[set[str]] = []

    def starts(state_dir: Path, _: Path) -> None:
        found.append(held(state_dir))
        if found[-1] == IN_THE_COPY:
            assert kept(state_dir) == IN_THE_COPY | SINCE, "with what was in its log alone"
        names = {p.name.removesuffix("-wal").removesuffix("-shm") for p in state_dir.glob("ledger.*")}
        assert names <= {"ledger.db", "ledger.mark", "ledger.trail", "ledger.replaced.db"}

    assert steps(tmp_path, starts) >= 4
    assert all(one in (IN_THE_COPY, IN_THE_COPY | SINCE) for one in found)
    assert found[0] == IN_THE_COPY | SINCE
    assert found == sorted(found, key=len, reverse=True), "once it is the new one it stays that"


def test_whoever_restores_again_has_the_new_one_and_has_lost_nothing_of_the_old_one(tmp_path: Path) -> None:
    def restores_again(state_dir: Path, copy: Path) -> None:
        put_back(state_dir, copy, accept_older=True)
        assert kept(state_dir) == IN_THE_COPY | SINCE
        assert held(state_dir) == IN_THE_COPY

    assert steps(tmp_path, restores_again) >= 4


def test_until_then_whoever_reads_sees_the_old_one_or_what_to_do(tmp_path: Path) -> None:
    def reads(state_dir: Path, _: Path) -> None:
        if not (state_dir / "ledger.db").exists():
            with (
                pytest.raises(FixConfiguration, match="was broken off") as refused,
                reading_ledger(state_dir),
            ):
                pass
            assert "edge run" in refused.value.advice
            return
        with reading_ledger(state_dir) as ledger:
            found = {uid for (uid,) in ledger.execute("SELECT series_instance_uid FROM outcome")}
        assert found in (IN_THE_COPY, IN_THE_COPY | SINCE)

    assert steps(tmp_path, reads) >= 4


def test_a_copy_that_is_refused_leaves_the_old_one_where_another_had_half_its_place(tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database" * 100)

    def is_refused(state_dir: Path, _: Path) -> None:
        over = not restoring.broken_off(state_dir) and (state_dir / restoring.REPLACED).exists()
        with pytest.raises(FixConfiguration):
            put_back(state_dir, broken, accept_older=True)
        assert held(state_dir) == (IN_THE_COPY if over else IN_THE_COPY | SINCE)

    assert steps(tmp_path, is_refused) >= 4

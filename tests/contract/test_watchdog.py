"""systemd is fed by parts that turn: none of them alone, and no timer, keeps a process alive."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge.conditions import Limits
from edge.domain.canary import Part, Stage, Verdict
from edge.proof import Blame
from edge.pulse import Pulse
from edge.spool.verdict_file import keep_verdict
from edge.surroundings import Reading
from edge.telemetry.degraded_events import QueueMeasured
from edge.watchdog import Watchdog
from tests.fakes.clock import FakeClock

PARTS = ("journal", "outbox")


class Manager:
    """The service manager's end of the notification socket."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "60000000"}

    def heard(self) -> list[str]:
        words: list[str] = []
        with suppress(BlockingIOError):
            while True:
                words.append(self._socket.recv(4096).decode())
        return words

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@edge-test-{os.getpid()}")
    yield made
    made.close()


def test_one_round_of_all_parts_feeds_once(manager: Manager) -> None:
    watchdog = Watchdog(PARTS, manager.environment)
    watchdog.ready()
    assert manager.heard() == ["READY=1"]
    for _ in range(3):
        watchdog.turned("journal")
    assert manager.heard() == [], "the outbox has not turned"
    watchdog.turned("outbox")
    watchdog.turned("outbox")
    assert manager.heard() == ["WATCHDOG=1"]
    watchdog.turned("journal")
    assert manager.heard() == ["WATCHDOG=1"], "each turn of a part counts for one round"
    watchdog.stopping()
    watchdog.allow(2.5)
    assert manager.heard() == ["STOPPING=1", "WATCHDOG_USEC=2500000"]


@pytest.mark.parametrize("more", [{"WATCHDOG_USEC": ""}, {"WATCHDOG_PID": "1"}])
def test_where_no_watchdog_waits_for_us_nothing_is_fed(manager: Manager, more: dict[str, str]) -> None:
    watchdog = Watchdog(["only"], manager.environment | more)
    watchdog.ready()
    watchdog.turned("only")
    assert manager.heard() == ["READY=1"]
    ours = Watchdog(["only"], manager.environment | {"WATCHDOG_PID": str(os.getpid())})
    ours.turned("only")
    assert manager.heard() == ["WATCHDOG=1"]


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all"])
def test_without_a_manager_everything_goes_on(name: str) -> None:
    watchdog = Watchdog(["only"], {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1"})
    watchdog.ready()
    watchdog.turned("only")
    assert not watchdog.fed


def test_a_manager_that_goes_away_or_reads_nothing_holds_nobody_up(manager: Manager) -> None:
    watchdog = Watchdog(["only"], manager.environment)
    for _ in range(5000):
        watchdog.turned("only")
    manager.close()
    watchdog.turned("only")


def test_parts_that_turn_are_not_enough_where_the_canary_blames_them_twice_running(tmp_path: Path) -> None:
    clock = FakeClock()

    def judged(part: Part | None, reason: str) -> None:
        clock.advance(60)
        keep_verdict(tmp_path, Verdict(clock.utc(), part, Stage.QUEUED, reason, 1.0))

    judged(Part.OUTBOX, "not_published")
    blame = Blame(tmp_path, (Part.AGENT, Part.OUTBOX))
    assert not blame.stuck(), "that was the process before us"
    judged(Part.OUTBOX, "not_published")
    assert not blame.stuck()
    assert not blame.stuck(), "the same verdict, looked at twice"
    judged(Part.BROKER, "not_published")
    assert not blame.stuck()
    judged(Part.AGENT, "no_page")
    assert not blame.stuck(), "the broker in between was no fault of ours"
    judged(Part.OUTBOX, "not_published")
    assert blame.stuck()
    judged(None, "proven")
    assert not blame.stuck()


def test_an_agent_that_catches_up_is_not_stuck_and_what_was_said_of_it_then_does_not_count(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    blame = Blame(tmp_path, (Part.AGENT,))

    def judged(*, behind: bool) -> bool:
        clock.advance(60)
        keep_verdict(tmp_path, Verdict(clock.utc(), Part.AGENT, Stage.ACKNOWLEDGED, "not_decoded", 1.0))
        return blame.stuck(behind=behind)

    assert [judged(behind=True) for _ in range(3)] == [False] * 3
    assert not judged(behind=False), "the first that is its fault"
    assert judged(behind=False)
    assert not blame.stuck(behind=True)
    assert blame.stuck(behind=False), "a moment of work takes nothing back"


def test_what_is_behind_is_one_who_has_not_read_all_or_for_whom_more_waits_than_is_judged() -> None:
    pulse = Pulse(lambda _: None, FakeClock(), Limits(0, 0, overload_s=30))
    assert pulse.behind(Reading(at_head=False))
    assert not pulse.behind(Reading(at_head=True))
    pulse.emit(QueueMeasured(300, 40.0, 60.0))
    assert pulse.behind(Reading(at_head=True))
    pulse.emit(QueueMeasured(0, 0.0, 0.0))
    assert not pulse.behind(Reading(at_head=True))


def test_what_a_restart_does_not_cure_is_no_reason_for_one(tmp_path: Path) -> None:
    clock = FakeClock()
    blame = Blame(tmp_path, (Part.RECEIVER,))
    for _ in range(3):
        clock.advance(60)
        keep_verdict(tmp_path, Verdict(clock.utc(), Part.RECEIVER, Stage.SENT, "0xa700", 1.0))
        assert not blame.stuck()


def test_a_clock_set_back_hides_no_blame(tmp_path: Path) -> None:
    clock = FakeClock()
    blame = Blame(tmp_path, (Part.AGENT,))
    clock.set_by(-86400)
    said = list[bool]()
    for _ in range(2):
        clock.advance(60)
        keep_verdict(tmp_path, Verdict(clock.utc(), Part.AGENT, Stage.ACKNOWLEDGED, "not_decoded", 1.0))
        said.append(blame.stuck())
    assert said == [False, True]

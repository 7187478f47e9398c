"""An appliance to be harmed: its scanners' record, a pager that answers, and the verdict at the end."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from unittest import mock

from edge import supervisor, up
from edge.spool.audit import verify
from edge.spool.identity_key import appliance_key
from edge.spool.ledger_copy import reading_ledger
from tests.e2e.appliance import Appliance
from tests.ladder.books import Books, Waiting, arrived
from tests.ladder.heads import MODEL, Ward
from tests.ladder.pager import AnsweringPager
from tests.ladder.record import Record, Series
from tests.ladder.senders import Port, Sender, until_stored
from tests.ladder.verdict import Verdict, judge, leftovers

# Generous: under load an agent takes a minute to come back.
_SETTLE_S = 300.0
_PAGES_S = 120.0
_LONGEST_PAUSE_S = 1.5
_READY_S = 240.0
# A fault of before may have kept the entries away for good.
_MOMENT_S = 60.0
_QUIET = {
    "EDGE_MODELS__ACTIVE": MODEL,
    "EDGE_COMPLETENESS__QUIET_S": "1",
    "EDGE_COMPLETENESS__DEADLINE_S": "20",
    "EDGE_RETENTION__FREE_GIB": "0",
    # What is looked at is that each page is delivered; nobody else is to be rung meanwhile.
    "EDGE_ALERTING__CRITICAL": '[{"role": "stroke-team", "wait_s": 3600}]',
    "EDGE_ALERTING__DELIVER_S": "3600",
    "EDGE_ALERTING__PUBLISH_S": "3600",
    "EDGE_ALERTING__OFFER_S": "2",
    "EDGE_ALERTING__BUDGET": "0",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """`strike` does it and heals it again as far as the world would by itself; it may take a while."""

    name: str
    strike: Callable[[Site], None]


@dataclass(frozen=True, slots=True)
class Moment:
    """So long after the journal grew by `entries` from where it was: the same place on any machine."""

    entries: int
    then_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.entries} entries + {self.then_s:.2f} s"


class Site:
    """For the length of the block; `seed` names everything that is drawn."""

    def __init__(
        self, folder: Path, seed: str, say: Say, *, state_dir: Path | None = None, **settings: str
    ) -> None:
        self.seed, self.say, self.folder = seed, say, folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        chosen = {**_QUIET, "TMPDIR": str(self.temporary), **settings}
        self.appliance = Appliance(folder, state_dir=state_dir, **chosen)
        self.record = Record()
        self.pager = AnsweringPager(self.appliance.pager.subscriber)
        self.struck: list[str] = []
        self.broken: list[str] = []
        self.rounds = 0
        self.agents: set[int] = set()
        self._running = ExitStack()

    @property
    def port(self) -> Port:
        return Port(self.appliance.settings.dicom.port)

    @property
    def state_dir(self) -> Path:
        return self.appliance.state_dir

    def dice(self, *names: object) -> random.Random:
        """Of a round of its own, so that it can be played again alone."""
        return random.Random(":".join(map(str, (self.seed, *names))))

    def ward(self, dice: random.Random) -> Ward:
        return Ward(self.folder / "sent", dice)

    def __enter__(self) -> Site:
        # A ladder kills a program more often in a minute than the back-off is made for.
        self._running.enter_context(mock.patch.object(supervisor, "_LONGEST_PAUSE_S", _LONGEST_PAUSE_S))
        self._running.enter_context(mock.patch.object(up, "READY_S", _READY_S))
        self._running.push(self.appliance)
        self.appliance.__enter__()
        self._running.enter_context(self.pager)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)

    def strike(self, fault: Fault) -> None:
        self.struck.append(fault.name)
        self._note_agent()
        fault.strike(self)

    def play(
        self, name: str, sends: Sequence[tuple[Sender, Series]], faults: Sequence[tuple[Moment, Fault]]
    ) -> None:
        """One round: scanners send until all was acknowledged while faults strike at their moments."""
        self.rounds += 1
        threads = [threading.Thread(target=self._send, args=send, daemon=True) for send in sends]
        began, entry = time.monotonic(), arrived(self.state_dir)
        for thread in threads:
            thread.start()
        striking = [
            threading.Thread(target=self._strike_at, args=(entry, moment, fault), daemon=True)
            for moment, fault in faults
        ]
        for thread in striking:
            thread.start()
        for thread in (*striking, *threads):
            thread.join()
        self.settle([series for _, series in sends], name)
        took = time.monotonic() - began
        what = ", ".join(f"{fault.name} after {moment}" for moment, fault in faults) or "nothing"
        how = ", ".join(sender.__name__ for sender, _ in sends)
        self.say(f"  {name}: {how}; {what}; settled after {took:.1f} s")

    def settle(self, series: Sequence[Series], name: str) -> None:
        """Waits until each that came as a whole has the outcome of all of it; notes what does not."""
        whole = self.record.whole()
        counts = {one.uid: len(one.instances) for one in series if one.uid in whole}
        waiting = Waiting(self.state_dir)
        deadline = time.monotonic() + _SETTLE_S
        while not waiting.settled(counts):
            if time.monotonic() > deadline:
                self.broken.append(f"{name}: not settled within {_SETTLE_S:.0f} s: {waiting.missing}")
                return
            time.sleep(0.1)

    def verdict(self) -> Verdict:
        """Once everything has settled: judged, stopped, swept by a start, stopped and looked through."""
        self.settle(list(self.record.series.values()), "at the end")
        said = judge(self.state_dir, self.record, self.pager.heard)
        deadline = time.monotonic() + _PAGES_S
        while said.faults and time.monotonic() < deadline:
            time.sleep(0.5)
            said = judge(self.state_dir, self.record, self.pager.heard)
        self._note_agent()
        self.appliance.restart()
        self._note_agent()
        messages = self._published()
        self.appliance.stop()
        left = leftovers(self.state_dir, self.temporary, self.agents, messages)
        faults = (*self.broken, *said.faults, *left, *_trail(self.state_dir))
        own = {"rounds": self.rounds, "faults injected": len(self.struck)}
        return Verdict(faults, own | said.figures)

    def forget_files(self, series: Sequence[Series]) -> None:
        """Of the sender; what it sent is known by its digests."""
        for one in series:
            shutil.rmtree(one.instances[0].path.parent, ignore_errors=True)

    def _published(self) -> Collection[str]:
        """The keys of the outbox once all of it was published, or when that takes too long."""
        deadline = time.monotonic() + _PAGES_S
        while not all((outbox := Books.read(self.state_dir).outbox).values()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return outbox.keys()

    def _note_agent(self) -> None:
        pid = self.appliance.running("agent")
        self.agents |= {pid} if pid is not None else set()

    def _send(self, sender: Sender, series: Series) -> None:
        self.record.offer(series)
        if not until_stored(sender, self.port, series.instances, self.record):
            self.broken.append(f"{sender.__name__} could not send {series.uid}")

    def _strike_at(self, entry: int, moment: Moment, fault: Fault) -> None:
        give_up = time.monotonic() + _MOMENT_S
        while arrived(self.state_dir) < entry + moment.entries and time.monotonic() < give_up:
            time.sleep(0.003)
        time.sleep(moment.then_s)
        self.strike(fault)


def _trail(state_dir: Path) -> list[str]:
    """What `edge ledger verify` finds."""
    with reading_ledger(state_dir) as ledger:
        found = verify(ledger, state_dir, appliance_key(state_dir))
    return [f"trail: {found.broken}"] if found.broken else []

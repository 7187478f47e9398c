"""The one judge of every rung: holds ledger, disk and what a pager heard against what was sent."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from xxhash import xxh3_128

from edge.domain.completeness import CompletionReason
from edge.domain.outcome import OutcomeKind
from edge.triton.embedded import region_prefix
from tests.contract.receiving import data_set_bytes
from tests.ladder.books import Books, Raised
from tests.ladder.record import Record

SHARED_MEMORY = Path("/dev/shm")


@dataclass
class Heard:
    """What a consumer received, by alert id the keys of the messages; `again` counts keys it had before."""

    pages: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    results: set[str] = field(default_factory=set)
    again: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`faults` is empty or the appliance broke its promise; the figures are for the summary."""

    faults: tuple[str, ...]
    figures: dict[str, int]


def judge(state_dir: Path, record: Record, heard: Heard) -> Verdict:
    """Everything that may be judged while the appliance runs, once the last series has settled."""
    books = Books.read(state_dir)
    faults = [
        *_lost(state_dir, record, books),
        *_undecided(record, books),
        *_said_wrongly(record, books),
        *_unpaged(record, books, heard),
    ]
    paged = {r.alert_id for r in books.raised if _must_ring(r)}
    figures = {
        "instances sent": record.sent,
        "acknowledged": len(record.acknowledged),
        "lost": sum(fault.startswith("lost") for fault in faults),
        "series": len(record.series),
        "pages expected": len(paged),
        "pages received": len(paged & heard.pages.keys()),
        "messages heard": heard.messages,
        "duplicate ids": heard.again,
        "revisions": sum(len(revisions) - 1 for revisions in books.ended.values()),
    }
    ends = Counter(revisions[-1].kind for revisions in books.ended.values())
    return Verdict(tuple(faults), figures | {f"ended {kind}": n for kind, n in sorted(ends.items())})


def _lost(state_dir: Path, record: Record, books: Books) -> Iterator[str]:
    """What was answered 0x0000 and is not on disk as it was sent."""
    for uid, digests in record.acknowledged.items():
        stored = books.stored.get(uid)
        if stored is None:
            yield f"lost {uid}: answered 0x0000, not in the journal"
            continue
        try:
            data_set = data_set_bytes((state_dir / stored.path).read_bytes())
        except OSError as error:
            yield f"lost {uid}: {error}"
            continue
        on_disk = hashlib.sha256(data_set).hexdigest()
        if digests != {on_disk}:
            yield f"lost {uid}: answered 0x0000 for {sorted(digests)}, its file has {on_disk}"
        if stored.digest not in (on_disk, xxh3_128(data_set).hexdigest()):
            yield f"lost {uid}: the journal says {stored.digest}, which its file has not"


def _undecided(record: Record, books: Books) -> Iterator[str]:
    """Every series in exactly one outcome: one chain of revisions, ending behind all that arrived."""
    last: dict[str, int] = defaultdict(int)
    for stored in books.stored.values():
        series = books.series_of.get(stored.sequence)
        if series is None:
            yield f"undecided {stored.uid}: stored and never looked at"
        else:
            last[series] = max(last[series], stored.sequence)
    for series, sequence in last.items():
        revisions = books.ended.get(series, [])
        if not revisions:
            yield f"undecided {series}: no outcome"
            continue
        if revisions[-1].through < sequence:
            yield f"undecided {series}: ended through {revisions[-1].through}, but {sequence} arrived"
        for before, after in zip([None, *revisions], revisions, strict=False):
            number, name = (before.revision, before.outcome_id) if before else (0, None)
            if (after.revision, after.predecessor) != (number + 1, name):
                yield f"undecided {series}: revision {after.revision} names {after.predecessor} after {name}"
            if after.outcome_id not in books.outbox:
                yield f"undecided {series}: nothing was said of revision {after.revision}"
    for series in record.series.keys() - last.keys():
        if any(one.uid in record.acknowledged for one in record.series[series].instances):
            yield f"undecided {series}: acknowledged and unknown to the ledger"


def _said_wrongly(record: Record, books: Books) -> Iterator[str]:
    """No negative on less than everything, and no blood overlooked where everything came."""
    for series, revisions in books.ended.items():
        sent = record.series.get(series)
        for one in revisions:
            if one.kind != OutcomeKind.NO_FINDING:
                continue
            if sent is None or one.instances != len(sent.instances):
                yield f"negative on {one.instances} instances of {series}, revision {one.revision}"
        if series in record.spoilt and revisions[-1].kind == OutcomeKind.NO_FINDING:
            yield f"negative on {series}, of which other bytes came"
    for series, sent in record.whole().items():
        last = books.ended[series][-1] if series in books.ended else None
        # All was answered and then cut off before the release: nobody has said that this was all.
        if last and last.kind not in sent.ends and last.reason != CompletionReason.DEADLINE_ABORTED:
            yield f"{series} ended as {last.kind} ({last.reason}), not {sorted(sent.ends)}"


def _unpaged(record: Record, books: Books, heard: Heard) -> Iterator[str]:
    """Every urgent finding reached the pager under one id, and nothing else did."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for raised in books.raised:
        ids[raised.series, raised.finding].add(raised.alert_id)
    for (series, finding), several in ids.items():
        if len(several) > 1:
            yield f"paged {finding} of {series} under {len(several)} ids"
    for alert_id in {r.alert_id for r in books.raised if _must_ring(r)} - heard.pages.keys():
        yield f"unpaged {alert_id}: raised, never received"
    for alert_id in heard.pages.keys() - {r.alert_id for r in books.raised}:
        yield f"paged {alert_id}, which the ledger does not know"
    rung = {r.series for r in books.raised if _must_ring(r) and r.alert_id in heard.pages}
    for series, sent in record.whole().items():
        if sent.has_blood and series not in rung:
            yield f"unpaged {series}: blood in it, and no pager rang"


def _must_ring(raised: Raised) -> bool:
    """A canary or a drill rings nobody."""
    return raised.route == "page" and not raised.test


def leftovers(
    state_dir: Path, temporary: Path, agents: Collection[int], messages: Collection[str] | None = None
) -> list[str]:
    """Of an appliance that was stopped, after a start that swept: what nobody will ever use again.

    `temporary` is its TMPDIR, `agents` are the process ids that its agent had. Of the outbox only
    `messages` count: what an escalation made due after they were looked at is for the next start to send.
    """
    books = Books.read(state_dir)
    kept = {stored.path for stored in books.stored.values()}
    found = [
        f"orphan {path.name} of the inbox"
        for path in (state_dir / "inbox").glob("[0-9a-f][0-9a-f]/*")
        if str(path.relative_to(state_dir)) not in kept
    ]
    found += [f"orphan /dev/shm/{name}" for name in _orphaned_regions(state_dir, agents)]
    found += [f"orphan {path.name} in the folder for temporary files" for path in temporary.iterdir()]
    if books.open_associations or books.carrying:
        found.append(f"orphan: {books.open_associations} associations open, {books.carrying} carried")
    sequences = {stored.sequence for stored in books.stored.values()}
    found += [
        f"orphan: series of entry {n}, which is no instance" for n in books.series_of.keys() - sequences
    ]
    found += [
        f"orphan: message {key} was never published"
        for key, done in books.outbox.items()
        if not done and (messages is None or key in messages)
    ]
    keys = {r.outbox_key for r in books.raised if r.outbox_key}
    found += [f"orphan: alert without its message {key}" for key in keys - books.outbox.keys()]
    return found


def _orphaned_regions(state_dir: Path, agents: Collection[int]) -> list[str]:
    """Other appliances may run beside this one: a region's name says whose it is."""
    ours = (region_prefix(state_dir), *(f"{dot}edge_slab_{pid}_" for pid in agents for dot in ("", ".")))
    return [path.name for path in SHARED_MEMORY.iterdir() if path.name.startswith(ours)]

"""What scanners sent and what they were told of it: books that the appliance cannot edit."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.domain.outcome import OutcomeKind
from tests.contract.receiving import data_set_bytes

SUCCESS = 0x0000


@dataclass(frozen=True, slots=True)
class Instance:
    """One file of a scanner; `sha256` is of its data set, without the file meta information."""

    uid: str
    sha256: str
    path: Path

    @classmethod
    def of(cls, uid: str, path: Path) -> Instance:
        return cls(uid, hashlib.sha256(data_set_bytes(path.read_bytes())).hexdigest(), path)


@dataclass(frozen=True, slots=True)
class Series:
    """All that a scanner means to send of a series; `ends` are the outcomes it may have once it is whole."""

    uid: str
    instances: tuple[Instance, ...]
    ends: frozenset[OutcomeKind] = frozenset(OutcomeKind)

    @property
    def paths(self) -> list[Path]:
        return [one.path for one in self.instances]

    @property
    def has_blood(self) -> bool:
        return self.ends == {OutcomeKind.FINDING}


@dataclass
class Record:
    """Safe from many threads; `offer` comes before the first byte of a series goes out."""

    series: dict[str, Series] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)
    acknowledged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    statuses: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, series: Series) -> None:
        with self._lock:
            self.series[series.uid] = series

    def spoil(self, series_uid: str) -> None:
        """Other bytes go out under a UID of it: from now on nothing negative may be said of it."""
        with self._lock:
            self.spoilt.add(series_uid)

    def answered(self, instance: Instance, status: int | None) -> None:
        """`status` None when no answer came."""
        with self._lock:
            self.sent += 1
            self.statuses["none" if status is None else f"0x{status:04X}"] += 1
            if status == SUCCESS:
                self.acknowledged[instance.uid].add(instance.sha256)

    def all_acknowledged(self, instances: Iterable[Instance]) -> bool:
        with self._lock:
            return all(one.sha256 in self.acknowledged.get(one.uid, ()) for one in instances)

    def whole(self) -> Mapping[str, Series]:
        """The series whose every instance was answered 0x0000, and no other bytes went out under its UIDs."""
        return {
            uid: s
            for uid, s in self.series.items()
            if uid not in self.spoilt and self.all_acknowledged(s.instances)
        }

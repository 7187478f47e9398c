"""What the virtual scanner will do, worked out before it touches the network."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal

from edge.domain.identity import AETitle
from edge.imaging.phantom import Acquisition, Bleed


class Order(StrEnum):
    """In which order the instances of one series go out."""

    AS_IS = "as_is"
    REVERSE = "reverse"
    SHUFFLE = "shuffle"


class MppsEnd(StrEnum):
    """How a procedure step ends: as these words say, or with an N-SET that is never sent."""

    COMPLETED = "completed"
    DISCONTINUED = "discontinued"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class GivenUids:
    """Names for a phantom instead of derived ones; `instances` feet to head, one for each slice."""

    study: str
    series: str
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhantomSource:
    """A synthetic head; equal `uid_seed` gives equal UIDs, None derives them from the voxels.

    `repeatable` stops the study's clock, so another run sends the same bytes under the same UIDs.
    """

    seed: int = 1
    bleeds: tuple[Bleed, ...] = ()
    acquisition: Acquisition = Acquisition()  # noqa: RUF009 - frozen, so one default is safe to share
    patient_id: str = "PHANTOM"
    accession_number: str = ""
    uid_seed: str | None = None
    repeatable: bool = True
    uids: GivenUids | None = None


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The DICOM files below a folder in the order of their names; each series in it goes on its own."""

    folder: Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM: the authority of the receiver, and the scanner's own certificate and key."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class SendPlan:
    """Everything about one run of the virtual scanner.

    `gap` are places in each series (0 is the first slice) that are never sent; `abort_after` aborts
    the association after that many sends and ends the run; `duplicates` instances are sent twice;
    `slices_per_s` None is as fast as the receiver answers; `tls` None is plain DICOM; `mpps` says that
    a procedure step goes with it, which names what `gap` leaves out too; `answer_s` is the longest wait for
    an answer. Raises ValueError for what cannot be sent.
    """

    sources: tuple[PhantomSource | FolderSource, ...]
    host: str = "127.0.0.1"
    port: int = 11112
    called_ae_title: AETitle = AETitle("EDGE")  # noqa: RUF009 - an immutable str
    calling_ae_title: AETitle = AETitle("SCANNER")  # noqa: RUF009 - an immutable str
    slices_per_s: float | None = None
    order: Order = Order.AS_IS
    order_seed: int = 0
    interleave: bool = False
    gap: frozenset[int] = frozenset()
    abort_after: int | None = None
    duplicates: int = 0
    associations: Literal["one", "per_instance"] = "one"
    transfer_syntax: str | None = None
    tls: TlsFiles | None = None
    mpps: MppsEnd | None = None
    answer_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("a plan needs at least one phantom or folder")
        if self.slices_per_s is not None and not self.slices_per_s > 0:
            raise ValueError(f"slices_per_s must be above 0, not {self.slices_per_s}")
        if self.duplicates < 0 or (self.abort_after is not None and self.abort_after < 0):
            raise ValueError("duplicates and abort_after must not be negative")


@dataclass(frozen=True, slots=True)
class Associate:
    """Open an association."""


@dataclass(frozen=True, slots=True)
class Send:
    """C-STORE of instance `index` of series `series`, not before `due_s` after the start."""

    series: int
    index: int
    due_s: float


@dataclass(frozen=True, slots=True)
class Release:
    """Say that everything was sent (A-RELEASE)."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Break off (A-ABORT)."""


Step = Associate | Send | Release | Abort


def plan_sends(lengths: Sequence[int], plan: SendPlan) -> list[Step]:
    """The steps for series of these lengths; the same plan and seed give the same steps."""
    chance = random.Random(plan.order_seed)  # noqa: S311 - an order to reproduce, not a secret
    queues = [_ordered(series, length, plan, chance) for series, length in enumerate(lengths)]
    sends = _interleaved(queues) if plan.interleave else list(chain.from_iterable(queues))
    sends = _with_duplicates(sends, plan.duplicates, chance)
    aborted = plan.abort_after is not None and plan.abort_after <= len(sends)
    if aborted:
        sends = sends[: plan.abort_after]
    pause_s = 1.0 / plan.slices_per_s if plan.slices_per_s else 0.0
    steps: list[Step] = [Send(series, index, k * pause_s) for k, (series, index) in enumerate(sends)]
    if plan.associations == "per_instance":
        steps = list(chain.from_iterable((Associate(), send, Release()) for send in steps))
        if aborted:
            return [*steps[:-1], Abort()] if steps else [Associate(), Abort()]
        return steps
    return [Associate(), *steps, Abort() if aborted else Release()]


def _ordered(series: int, length: int, plan: SendPlan, chance: random.Random) -> list[tuple[int, int]]:
    places = [(series, index) for index in range(length) if index not in plan.gap]
    if plan.order is Order.REVERSE:
        places.reverse()
    elif plan.order is Order.SHUFFLE:
        chance.shuffle(places)
    return places


def _interleaved(queues: Sequence[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    rounds = zip_longest(*queues)
    return [place for one_each in rounds for place in one_each if place is not None]


def _with_duplicates(
    sends: list[tuple[int, int]], count: int, chance: random.Random
) -> list[tuple[int, int]]:
    """Each duplicate comes somewhere after the original, as a retry would."""
    result = list(sends)
    for place in (chance.choice(sends) for _ in range(count if sends else 0)):
        result.insert(chance.randint(result.index(place) + 1, len(result)), place)
    return result

"""Series to send: small synthetic heads under new UIDs, as files; made once, told apart by their names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydicom import Dataset

from edge.dicom.phantom_series import phantom_instances
from edge.domain.outcome import OutcomeKind
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from tests.contract.receiving import changed, small_series, write
from tests.ladder.record import Instance, Series

# Coarse, for none of this is about the model: 30 mL on 26 slices are found by it all the same.
SCAN = Acquisition(
    rows=128, columns=128, pixel_spacing_mm=1.8, slices=26, spacing_mm=5.5, slice_thickness_mm=5.5
)
MODEL = "ct_head_hyperdensity"
NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
FINDING = frozenset({OutcomeKind.FINDING})
# A scan that was broken off and sent again may honestly be called incomplete; it may not be called a bleed.
NO_BLOOD = frozenset({OutcomeKind.NO_FINDING, OutcomeKind.INCOMPLETE})
NOT_A_HEAD = frozenset({OutcomeKind.NOT_ELIGIBLE, OutcomeKind.INCOMPLETE, OutcomeKind.FAILED})


@cache
def bled() -> tuple[Dataset, ...]:
    bleed = Bleed(BleedType.INTRAPARENCHYMAL, 30.0, side="left")
    return tuple(phantom_instances(head_phantom(3, bleeds=[bleed], acquisition=SCAN), now=NOW))


@cache
def bloodless() -> tuple[Dataset, ...]:
    return tuple(phantom_instances(head_phantom(4, acquisition=SCAN), now=NOW))


@dataclass
class Ward:
    """Writes series below `folder`; equal `dice` give equal UIDs."""

    folder: Path
    dice: random.Random

    def uid(self) -> str:
        return f"2.25.{self.dice.getrandbits(127)}"

    def series(self, slices: Sequence[Dataset], ends: frozenset[OutcomeKind], **shared: object) -> Series:
        """The slices under new UIDs, each in a file of its own."""
        return self.written([self.renamed(one, **shared) for one in self.same_series(slices)], ends)

    def head(self, *, blood: bool, **shared: object) -> Series:
        return (
            self.series(bled(), FINDING, **shared) if blood else self.series(bloodless(), NO_BLOOD, **shared)
        )

    def few(self, **shared: object) -> Series:
        """Four small slices, for what is not about pixels."""
        return self.series(small_series(), NOT_A_HEAD, **shared)

    def renamed(self, one: Dataset, **attributes: object) -> Dataset:
        """The same under a new SOP Instance UID."""
        copy = changed(one, SOPInstanceUID=self.uid(), **attributes)
        copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
        return copy

    def written(self, slices: Sequence[Dataset], ends: frozenset[OutcomeKind]) -> Series:
        uid = str(slices[0].SeriesInstanceUID)
        folder = self.folder / uid[-12:]
        folder.mkdir(parents=True, exist_ok=True)
        instances = [
            Instance.of(str(one.SOPInstanceUID), write(one, folder / f"{n:03d}.dcm"))
            for n, one in enumerate(slices)
        ]
        return Series(uid, tuple(instances), ends)

    def same_series(self, slices: Sequence[Dataset]) -> list[Dataset]:
        """Under a new study and series, each still with its old SOP Instance UID."""
        named = {"SeriesInstanceUID": self.uid(), "StudyInstanceUID": self.uid()}
        return [changed(one, **named) for one in slices]

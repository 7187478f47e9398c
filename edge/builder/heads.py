"""Synthetic series for calibration and for the parity gate; seeds apart from those of any training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.builder.session import Tensors
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, StudyInstanceUID
from edge.domain.series import SeriesInProgress, Slab, SliceHeader
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from edge.imaging.volume import Slice
from edge.models.slab_segmentation import prepare

SCAN = Acquisition(rows=256, columns=256, pixel_spacing_mm=0.9, slices=26, spacing_mm=5.0)
_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True)
class Head:
    """One synthetic head: what is needed to make it again."""

    seed: int
    bleeds: tuple[Bleed, ...]
    scan: Acquisition = SCAN

    @property
    def name(self) -> str:
        kinds = ", ".join(f"{b.type.value} {b.volume_ml:g} mL" for b in self.bleeds)
        return f"seed {self.seed}: {kinds or 'no bleed'}"


CALIBRATION = (
    Head(90_001, (Bleed(BleedType.INTRAPARENCHYMAL, 20.0),)),
    Head(90_002, (Bleed(BleedType.SUBDURAL, 40.0),)),
    Head(90_003, (Bleed(BleedType.SUBARACHNOID, 20.0),)),
    Head(90_004, ()),
)
TEST = (
    *(
        Head(91_000 + 10 * i + j, (Bleed(kind, volume_ml),))
        for i, kind in enumerate(BleedType)
        for j, volume_ml in enumerate((8.0, 25.0))
    ),
    *(Head(91_900 + i, ()) for i in range(6)),
)


@dataclass(frozen=True)
class Series:
    """A scanned head as the agent would see it, `slices` from feet to head."""

    name: str
    slices: tuple[Slice, ...]

    @property
    def headers(self) -> tuple[SliceHeader, ...]:
        return tuple(s.header for s in self.slices)

    def slabs(self, depth: int) -> Iterator[tuple[Slab, Tensors]]:
        """Every slab of the closed series with its input tensors."""
        of = {s.header.sop_instance_uid: s for s in self.slices}
        series = SeriesInProgress(self.slices[0].header.series_instance_uid)
        for header in self.headers:
            series = series.add(header)
        for slab in series.slabs(depth, closed=True):
            yield slab, prepare([of[uid] for uid in slab.slices])


def scanned(head: Head) -> Series:
    """The series of a head; the same bytes every time."""
    phantom = head_phantom(head.seed, bleeds=head.bleeds, acquisition=head.scan)
    return Series(head.name, tuple(Slice(_header(head, k), hu) for k, hu in enumerate(phantom.voxels_zyx_hu)))


def calibration_slabs(heads: Sequence[Head], depth: int, every: int = 2) -> Iterator[Tensors]:
    """Input tensors of every second slab, head after head."""
    for head in heads:
        for i, (_, tensors) in enumerate(scanned(head).slabs(depth)):
            if i % every == 0:
                yield tensors


def timing_slab(depth: int) -> Tensors:
    """A slab of 512x512 from the middle of a head, to tell milliseconds a slice."""
    scan = Acquisition(slices=depth, spacing_mm=4.0)
    phantom = head_phantom(CALIBRATION[0].seed, acquisition=scan)
    spacing = np.full((1, 2), scan.pixel_spacing_mm, np.float32)
    return {"slab_hu": phantom.voxels_zyx_hu[np.newaxis], "pixel_spacing_mm": spacing}


def _header(head: Head, k: int) -> SliceHeader:
    scan, series = head.scan, SeriesInstanceUID(f"2.25.{head.seed}")
    return SliceHeader(
        study_instance_uid=StudyInstanceUID(f"2.25.{head.seed}"),
        series_instance_uid=series,
        sop_instance_uid=SopInstanceUID(f"{series}.{k + 1}"),
        sop_class_uid=_CT_IMAGE_STORAGE,
        modality="CT",
        rows=scan.rows,
        columns=scan.columns,
        pixel_spacing_mm=(scan.pixel_spacing_mm, scan.pixel_spacing_mm),
        normal_lps=(0.0, 0.0, 1.0),
        offset_mm=k * scan.spacing_mm,
        orientation="axial",
        tilt_deg=scan.tilt_deg,
        slice_thickness_mm=scan.slice_thickness_mm,
        spacing_between_slices_mm=scan.spacing_mm,
    )

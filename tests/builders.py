"""Small values for tests: slice headers, scopes and rules that say only what the test is about."""

from __future__ import annotations

from edge.domain.eligibility import Scope
from edge.domain.evidence import SliceEvidence
from edge.domain.finding import FindingCode, FindingRule, OperatingPoint, Urgency
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, StudyInstanceUID
from edge.domain.series import Slab, SliceHeader

SERIES = SeriesInstanceUID("1.2.3")
ANY_HEAD_CT = Scope(
    modalities=frozenset({"CT"}),
    body_parts=frozenset({"HEAD"}),
    orientation="axial",
    contrast=False,
    max_tilt_deg=30,
    slice_thickness_mm=(0.5, 8),
    min_age_years=18,
    min_coverage_mm=100,
    max_top_area_ratio=0.3,
)
BLEED = FindingRule(
    key="bleed",
    code=FindingCode("1386000", "SCT", "Intracranial hemorrhage"),
    urgency=Urgency.CRITICAL,
    page=OperatingPoint(probability=0.8, min_contiguous_slices=2, min_volume_ml=0.5),
    worklist=OperatingPoint(probability=0.4, min_contiguous_slices=1, min_volume_ml=0.0),
)


def uid(index: int) -> SopInstanceUID:
    return SopInstanceUID(f"1.2.3.{index}")


def header(
    index: int, *, step_mm: float = 5.0, offset_mm: float | None = None, **more: object
) -> SliceHeader:
    """Slice `index` of an axial head CT; a dome that ends at slice 33, its skull open below slice 3."""
    fields: dict[str, object] = {
        "study_instance_uid": StudyInstanceUID("1.2"),
        "series_instance_uid": SERIES,
        "sop_instance_uid": uid(index),
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "modality": "CT",
        "rows": 64,
        "columns": 64,
        "pixel_spacing_mm": (1.0, 1.0),
        "normal_lps": (0.0, 0.0, 1.0),
        "offset_mm": index * step_mm if offset_mm is None else offset_mm,
        "orientation": "axial",
        "tilt_deg": 0.0,
        "slice_thickness_mm": step_mm,
        "body_part_examined": "HEAD",
        "head_area_mm2": 20000.0 * max(0.0, 1.0 - (index / 33) ** 2),
        "cranial_area_mm2": 12000.0 * max(0.0, 1.0 - (index / 33) ** 2) * (index >= 3),
    }
    return SliceHeader(**{**fields, **more})  # type: ignore[arg-type]


def evidence(index: int, probability: float, area_mm2: float = 200.0) -> SliceEvidence:
    slab = Slab(uid(index), (uid(index),))
    return SliceEvidence(slab, {"bleed": probability}, {"bleed": area_mm2})

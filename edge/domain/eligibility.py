"""Whether a series is what a model was made for; out of scope is a named outcome, never silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.domain.contiguity import Geometry
from edge.domain.kernel import Sharpness, sharpness
from edge.domain.series import SliceHeader


@dataclass(frozen=True, slots=True)
class Scope:
    """The limits of a clinical.toml; `body_parts` empty means any, a missing attribute passes.

    `kernels` may be looked at; one that is UNKNOWN by name may be soft, so its findings count and its
    negative does not. `kernel_names` vouches for names in capitals; `preferred_thickness_mm` only ranks.
    """

    modalities: frozenset[str]
    body_parts: frozenset[str]
    orientation: Literal["axial", "coronal", "sagittal"]
    contrast: bool
    max_tilt_deg: float
    slice_thickness_mm: tuple[float, float]
    min_age_years: float
    min_coverage_mm: float
    max_top_area_ratio: float
    head_area_mm2: tuple[float, float] = (8000.0, 60000.0)
    min_cranial_ml: float = 300.0
    max_base_area_ratio: float = 0.5
    kernels: frozenset[Sharpness] = frozenset(Sharpness)
    kernel_names: Mapping[str, Sharpness] = field(default_factory=dict[str, Sharpness])
    preferred_thickness_mm: tuple[float, float] = (0.0, float("inf"))

    def sharpness_of(self, header: SliceHeader) -> Sharpness:
        """Of the kernel that the slice was made with."""
        return sharpness(header.manufacturer, header.convolution_kernel, self.kernel_names)


def slice_out_of_scope(header: SliceHeader, scope: Scope) -> str | None:
    """The reason why this slice is not for the model (a metric label), or None."""
    thickness = header.slice_thickness_mm
    lowest, highest = scope.slice_thickness_mm
    checks = (
        ("modality", header.modality in scope.modalities),
        ("localizer", "LOCALIZER" not in header.image_type),
        ("body_part", _body_part_fits(header.body_part_examined, scope.body_parts)),
        ("orientation", header.orientation == scope.orientation),
        ("tilt", header.tilt_deg <= scope.max_tilt_deg),
        ("contrast", scope.contrast or not header.contrast),
        ("slice_thickness", thickness is None or lowest <= thickness <= highest),
        (
            "age",
            header.patient_age_years is None or header.patient_age_years >= scope.min_age_years,
        ),
        ("kernel", scope.sharpness_of(header) in scope.kernels),
    )
    return next((reason for reason, fits in checks if not fits), None)


def series_out_of_scope(slices: Sequence[SliceHeader], scope: Scope) -> str | None:
    """The reason that rules out the whole series: every slice is out of scope, named by the first."""
    reasons = [slice_out_of_scope(s, scope) for s in slices]
    if reasons and all(reasons):
        return reasons[0]
    return None


def uncovered(geometry: Geometry, scope: Scope) -> str | None:
    """Why a closed series still does not show the whole head, or None: it then bars a negative."""
    if geometry.repeated_positions:
        return "repeated_positions"
    if geometry.planes > 1:
        return "mixed_planes"
    if geometry.coverage_mm < scope.min_coverage_mm:
        return "coverage"
    smallest, largest = scope.head_area_mm2
    if not smallest <= geometry.largest_area_mm2 <= largest:
        return "no_head"
    if geometry.cranial_ml < scope.min_cranial_ml:
        return "no_cranium"
    if geometry.top_area_ratio > scope.max_top_area_ratio:
        return "vertex_not_covered"
    if geometry.base_area_ratio > scope.max_base_area_ratio:
        return "base_not_covered"
    return None


def _body_part_fits(examined: str, allowed: frozenset[str]) -> bool:
    return not examined or not allowed or examined.upper() in allowed

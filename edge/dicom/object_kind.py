"""What an object is by its SOP class, where that is no image of a volume (PS3.4 B.5)."""

from __future__ import annotations

from edge.dicom.syntaxes import STORAGE_CLASSES
from edge.domain.unusable import UnusableReason

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_REPORTS = f"{_STORAGE}88."
_PRESENTATION_STATES = f"{_STORAGE}11."
_SECONDARY_CAPTURES = f"{_STORAGE}7"
# They may have an image plane and pixels, and still hold nothing that a scanner measured.
_NEVER_MEASURED = frozenset(
    STORAGE_CLASSES[name]
    for name in (
        "Segmentation Storage",
        "Raw Data Storage",
        "Spatial Registration Storage",
        "Encapsulated PDF Storage",
        "Siemens CSA Non-Image Storage",
    )
)


def never_a_slice(sop_class_uid: str) -> bool:
    """Whether objects of this class are no images of a volume, whatever attributes they have."""
    return sop_class_uid.startswith((_REPORTS, _PRESENTATION_STATES)) or sop_class_uid in _NEVER_MEASURED


def other_kind(sop_class_uid: str) -> UnusableReason:
    """The reason under which an object without a place in the volume is set aside, one of OTHER_KINDS."""
    if sop_class_uid.startswith(_REPORTS):
        return UnusableReason.STRUCTURED_REPORT
    if sop_class_uid.startswith(_PRESENTATION_STATES):
        return UnusableReason.PRESENTATION_STATE
    if sop_class_uid == _SECONDARY_CAPTURES or sop_class_uid.startswith(f"{_SECONDARY_CAPTURES}."):
        return UnusableReason.SECONDARY_CAPTURE
    return UnusableReason.NOT_A_SLICE

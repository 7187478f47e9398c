"""Part 10 files of a folder as stored instances, without a receiver having put them there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydicom import dcmread, dcmwrite  # pyright: ignore[reportUnknownVariableType] # its PathLike is bare
from pydicom.errors import InvalidDicomError

from edge.dicom.attributes import text
from edge.dicom.phantom_series import phantom_instances
from edge.domain.arrival import StoredInstance
from edge.domain.identity import SopInstanceUID
from edge.imaging.phantom import HeadPhantom

# The same phantom gives the same bytes on any day.
_STUDY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FiledInstance:
    """`instance.path` is relative to the folder; an empty `series_instance_uid` is a broken file's."""

    series_instance_uid: str
    instance: StoredInstance


def filed_instances(folder: Path) -> list[FiledInstance]:
    """Every DICOM file below `folder` in the order of their names; other files are passed over.

    Of files with the same SOP Instance UID the first counts, as at the receiver.
    """
    found: dict[str, FiledInstance] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            header = dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            continue
        meta = header.file_meta
        uid = text(header, "SOPInstanceUID") or text(meta, "MediaStorageSOPInstanceUID")
        content = path.read_bytes()
        instance = StoredInstance(
            sop_instance_uid=SopInstanceUID(uid),
            sop_class_uid=text(header, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID"),
            transfer_syntax_uid=text(meta, "TransferSyntaxUID"),
            path=str(path.relative_to(folder)),
            digest=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
        )
        found.setdefault(uid, FiledInstance(text(header, "SeriesInstanceUID"), instance))
    return list(found.values())


def file_phantom(phantom: HeadPhantom, folder: Path) -> Sequence[FiledInstance]:
    """The phantom as a scanner would send it, in `folder`, one file a slice, feet to head."""
    filed: list[FiledInstance] = []
    for k, data_set in enumerate(phantom_instances(phantom, now=_STUDY_TIME)):
        path = folder / f"{k:04}.dcm"
        dcmwrite(path, data_set, enforce_file_format=True)
        content = path.read_bytes()
        instance = StoredInstance(
            sop_instance_uid=SopInstanceUID(str(data_set.SOPInstanceUID)),
            sop_class_uid=str(data_set.SOPClassUID),
            transfer_syntax_uid=str(data_set.file_meta.TransferSyntaxUID),
            path=path.name,
            digest=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
        )
        filed.append(FiledInstance(str(data_set.SeriesInstanceUID), instance))
    return filed

"""What goes out: phantoms made on the spot, or files from a folder, each with its transfer syntax."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from pydicom import dcmread, dcmwrite  # pyright: ignore[reportUnknownVariableType] # its PathLike is bare
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from edge.dicom.attributes import text
from edge.dicom.phantom_series import phantom_instances
from edge.dicom.send_plan import FolderSource, PhantomSource
from edge.errors import FixConfiguration
from edge.imaging.phantom import head_phantom

TRANSFER_SYNTAX_NAMES: dict[str, UID] = {
    "explicit_le": ExplicitVRLittleEndian,
    "implicit_le": ImplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000_lossless": JPEG2000Lossless,
}
_REPEATABLE_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One instance ready to go; `content` is a data set in memory or the file it is in."""

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    content: Dataset | Path


def load(
    source: PhantomSource | FolderSource, transfer_syntax: str | None, now: datetime
) -> list[list[Outgoing]]:
    """The series of a source, each in its own order.

    Raises FixConfiguration for a folder without DICOM files or an unknown transfer syntax name.
    """
    if transfer_syntax is not None and transfer_syntax not in TRANSFER_SYNTAX_NAMES:
        raise FixConfiguration(
            f"unknown transfer syntax {transfer_syntax}", hint=f"Known: {', '.join(TRANSFER_SYNTAX_NAMES)}."
        )
    if isinstance(source, PhantomSource):
        return [_phantom(source, transfer_syntax, now)]
    return _folder(source.folder, transfer_syntax)


def _phantom(source: PhantomSource, transfer_syntax: str | None, now: datetime) -> list[Outgoing]:
    instances = phantom_instances(
        head_phantom(source.seed, bleeds=source.bleeds, acquisition=source.acquisition),
        now=_REPEATABLE_TIME if source.repeatable else now,
        patient_id=source.patient_id,
        accession_number=source.accession_number,
        uid_seed=source.uid_seed,
        uids=source.uids,
    )
    return [_in_memory(_in_syntax(ds, transfer_syntax)) for ds in instances]


def _folder(folder: Path, transfer_syntax: str | None) -> list[list[Outgoing]]:
    series: dict[str, list[Outgoing]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            found = dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            continue
        if transfer_syntax is None:
            one = _on_disk(path, found)
        else:
            one = _in_memory(_in_syntax(dcmread(path), transfer_syntax))
        series.setdefault(one.series_instance_uid, []).append(one)
    if not series:
        raise FixConfiguration(
            f"no DICOM files below {folder}", hint="Name a folder that holds Part 10 files."
        )
    return list(series.values())


def _on_disk(path: Path, found: Dataset) -> Outgoing:
    sop_class, sop_instance, syntax = (
        text(found.file_meta, keyword)
        for keyword in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
    )
    if not (sop_class and sop_instance and syntax):
        raise FixConfiguration(
            f"{path.name} lacks File Meta Information", hint="Rewrite it as a Part 10 file, or take it away."
        )
    series = text(found, "SeriesInstanceUID")
    return Outgoing(series, sop_instance, sop_class, syntax, path)


def _in_memory(ds: Dataset) -> Outgoing:
    series, sop_instance = text(ds, "SeriesInstanceUID"), text(ds, "SOPInstanceUID")
    return Outgoing(series, sop_instance, text(ds, "SOPClassUID"), str(ds.file_meta.TransferSyntaxUID), ds)


def _in_syntax(ds: Dataset, name: str | None) -> Dataset:
    wanted = TRANSFER_SYNTAX_NAMES[name] if name is not None else None
    current = ds.file_meta.TransferSyntaxUID
    if wanted is None or wanted == current:
        return ds
    if current.is_compressed:
        ds.decompress(decoding_plugin="pylibjpeg", generate_instance_uid=False)
    if wanted in (RLELossless, JPEG2000Lossless):
        ds.compress(wanted, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        return ds
    encoded = BytesIO()
    ds.file_meta.TransferSyntaxUID = wanted
    dcmwrite(encoded, ds, enforce_file_format=True)
    encoded.seek(0)
    return dcmread(encoded)

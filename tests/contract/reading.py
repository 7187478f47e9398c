"""Stored files handed to the reader the way the journal names them."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset
from pydicom.filewriter import dcmwrite

from edge.dicom.frame_decoder import Decode, decode_frame
from edge.dicom.reader import DicomReader
from edge.domain.arrival import StoredInstance
from edge.domain.identity import SopInstanceUID
from edge.imaging.volume import Content, Slice
from tests.contract.receiving import CT


def stored(path: Path, root: Path, sop_class_uid: str = CT, uid: str = "1.2.3") -> StoredInstance:
    return StoredInstance(
        SopInstanceUID(uid), sop_class_uid, "", str(path.relative_to(root)), "", path.stat().st_size
    )


def read(path: Path, sop_class_uid: str = CT, decode: Decode = decode_frame) -> Content:
    return DicomReader(path.parent, decode).read(stored(path, path.parent, sop_class_uid))


def read_slice(path: Path, decode: Decode = decode_frame) -> Slice:
    found = read(path, decode=decode)
    assert isinstance(found, Slice), found
    return found


def write(data_set: Dataset, path: Path) -> Path:
    dcmwrite(path, data_set, enforce_file_format=True)
    return path

"""Reads stored instances for the pipeline: a slice in Hounsfield units, or why it is none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from edge.dicom.deflated import inflated
from edge.dicom.frame_decoder import Decode
from edge.dicom.functional_groups import framewise
from edge.dicom.hounsfield import hounsfield_yx
from edge.dicom.multi_frame import MultiFrames
from edge.dicom.part10_file import Part10File, load_pixel_data, read_header, unreadable
from edge.dicom.salvage import salvaged_uids
from edge.dicom.slice_header import NotASlice, named, require_slice, slice_by_slice, slice_header, uids_in
from edge.domain.arrival import StoredInstance
from edge.domain.frame import Frames, frame_name
from edge.domain.series import SliceHeader, UnusableInstance
from edge.domain.unusable import UnusableReason
from edge.errors import InboxUnreadable, RejectInput, ShedLoad
from edge.imaging.coverage import cranial_area_mm2, head_area_mm2
from edge.imaging.volume import Content, Slice

# Where Study and Series Instance UID of a damaged header are looked for.
_HEADER_BYTES = 1 << 20


class DicomReader:
    """PixelSource over the Part 10 files below `state_dir`; any thread may read.

    `decode` is for compressed pixels; others are read here, which takes no decoder and a millisecond.
    """

    def __init__(self, state_dir: Path, decode: Decode) -> None:
        self._state_dir, self._decode = state_dir, decode
        self._multi_frames = MultiFrames()

    def read(self, instance: StoredInstance) -> Content:
        """A slice or why it is none, however damaged; blocks for a decode (5-40 ms at 512²).

        A multi-frame image gives the number of its frames, each to be asked for by itself.
        Raises ShedLoad, and nothing else, when the file is there and this box cannot read it just now
        (EIO, EMFILE, no memory, no worker to decode it): the same call may succeed later.
        """
        try:
            opened = (self._state_dir / instance.path).open("rb")
        except FileNotFoundError:
            return _unusable(None, None, instance, UnusableReason.FILE_UNAVAILABLE, unreadable=True)
        except OSError as error:
            raise unreadable(error) from error
        with opened:
            file = Part10File(opened, os.fstat(opened.fileno()).st_size)
            return _read(file, instance, self._multi_frames, self._decode)


def _read(file: Part10File, instance: StoredInstance, multi_frames: MultiFrames, decode: Decode) -> Content:
    data_set: Dataset | None = None
    try:
        stored_bytes = file.size
        file = inflated(file)
        if instance.frame is not None:
            image = multi_frames.of(file, instance)
            data_set = image.frame(file, instance.frame)
            header = image.named(slice_header(data_set, instance), instance.frame)
            return _measured(data_set, header, decode)
        data_set = read_header(file)
        _require_all_of(instance, stored_bytes)
        if framewise(data_set) and slice_by_slice(instance.sop_class_uid):
            return Frames(len(multi_frames.of(file, instance).frames))
        return _slice(data_set, file, instance, decode)
    except NotASlice as kind:
        return _unusable(data_set, file, instance, kind.reason, unreadable=False)
    except RejectInput as error:
        return _unusable(data_set, file, instance, error.reason, unreadable=True)
    except ShedLoad:
        raise
    except MemoryError as error:
        raise InboxUnreadable("enomem") from error
    except Exception:  # noqa: BLE001 - boundary: damaged bytes make pydicom raise anything
        reason = UnusableReason.NOT_DICOM if data_set is None else UnusableReason.UNDECODABLE
        return _unusable(data_set, file, instance, reason, unreadable=True)


def _require_all_of(instance: StoredInstance, stored_bytes: int) -> None:
    if stored_bytes < instance.size_bytes:
        raise RejectInput(UnusableReason.TRUNCATED)


def _slice(data_set: Dataset, file: Part10File, instance: StoredInstance, decode: Decode) -> Slice:
    require_slice(data_set, instance.sop_class_uid, has_pixels=file.left > 0)
    header = slice_header(data_set, instance)
    load_pixel_data(data_set, file, native_bytes=2 * header.rows * header.columns)
    return _measured(data_set, header, decode)


def _measured(data_set: Dataset, header: SliceHeader, decode: Decode) -> Slice:
    hu_yx = hounsfield_yx(data_set, decode)
    hu_yx.setflags(write=False)
    spacing_mm = header.pixel_spacing_mm
    areas = head_area_mm2(hu_yx, spacing_mm), cranial_area_mm2(hu_yx, spacing_mm)
    return Slice(replace(header, head_area_mm2=areas[0], cranial_area_mm2=areas[1]), hu_yx)


def _unusable(
    data_set: Dataset | None,
    file: Part10File | None,
    instance: StoredInstance,
    reason: str,
    *,
    unreadable: bool,
) -> UnusableInstance:
    """Of the series its header names, so that it bars a negative there; else of one made up."""
    try:
        study, series = uids_in(data_set)
    except Exception:  # noqa: BLE001 - boundary: the damage may sit in these attributes
        study, series = "", ""
    if file is not None and not (study and series):
        file.seek(0)
        left = salvaged_uids(file.read(_HEADER_BYTES))
        study, series = study or left[0], series or left[1]
    names = named(study, series, instance)
    why = UnusableReason(reason)
    uid = instance.sop_instance_uid
    name = uid if instance.frame is None else frame_name(uid, instance.frame)
    return UnusableInstance(*names, name, why, unreadable, series_known=bool(series))

"""Reads stored instances for the pipeline: a slice in Hounsfield units, or why it is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType] # its PathLike is bare
from pydicom.dataset import Dataset

from edge.dicom.hounsfield import hounsfield_yx
from edge.dicom.slice_header import NotASlice, require_slice, series_of, slice_header
from edge.domain.arrival import StoredInstance
from edge.domain.series import UnusableInstance
from edge.errors import RejectInput
from edge.imaging.coverage import head_area_mm2
from edge.imaging.volume import Slice


class DicomReader:
    """PixelSource over the Part 10 files below `state_dir`; keeps no state, so any thread may read."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def read(self, instance: StoredInstance) -> Slice | UnusableInstance:
        """Never raises for what a peer sent, however damaged; blocks for a decode (5-40 ms at 512²)."""
        data_set: Dataset | None = None
        try:
            data_set = dcmread(self._state_dir / instance.path)
            return _slice(data_set, instance)
        except NotASlice as kind:
            return _unusable(data_set, instance, kind.reason, unreadable=False)
        except RejectInput as error:
            return _unusable(data_set, instance, error.reason, unreadable=True)
        except OSError:
            return _unusable(data_set, instance, "file_unavailable", unreadable=True)
        except Exception:  # noqa: BLE001 - boundary: damaged bytes make pydicom raise anything
            reason = "not_dicom" if data_set is None else "undecodable"
            return _unusable(data_set, instance, reason, unreadable=True)


def _slice(data_set: Dataset, instance: StoredInstance) -> Slice:
    require_slice(data_set, instance.sop_class_uid, has_pixels="PixelData" in data_set)
    header = slice_header(data_set, instance)
    hu_yx = hounsfield_yx(data_set)
    hu_yx.setflags(write=False)
    return Slice(replace(header, head_area_mm2=head_area_mm2(hu_yx, header.pixel_spacing_mm)), hu_yx)


def _unusable(
    data_set: Dataset | None, instance: StoredInstance, reason: str, *, unreadable: bool
) -> UnusableInstance:
    try:
        study, series = series_of(data_set, instance)
    except Exception:  # noqa: BLE001 - boundary: the damage may sit in these attributes
        study, series = series_of(None, instance)
    return UnusableInstance(study, series, instance.sop_instance_uid, reason, unreadable)

"""What is sent: uncompressed 512x512 CT instances, made and on disk before any clock starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from edge.dicom.phantom_series import phantom_instances
from edge.imaging.phantom import Acquisition, HeadPhantom

_ROWS = 512
_STUDY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def noise_instances(folder: Path, count: int) -> list[Path]:
    """`count` CT instances of noise, each with a SOP Instance UID of its own; about 0.5 MB each."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    acquisition = Acquisition(slices=8)
    noise = HeadPhantom(
        voxels_zyx_hu=rng.normal(0, 300, (8, _ROWS, _ROWS)).clip(-1024, 3071).astype(np.int16),
        labels_zyx=np.zeros((8, _ROWS, _ROWS), np.uint8),
        blood_ml={},
        image_positions_lps_mm=np.array([[0.0, 0.0, 4.0 * k] for k in range(8)]),
        image_orientation=acquisition.image_orientation,
        acquisition=acquisition,
        seed=1,
    )
    frames = phantom_instances(noise, now=_STUDY_TIME)
    paths: list[Path] = []
    for k in range(count):
        one = frames[k % len(frames)]
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        paths.append(_written(one, folder / f"{k:05d}.dcm"))
    return paths


def series_files(phantom: HeadPhantom, folder: Path, uid_seed: str) -> list[Path]:
    """The phantom as a series of its own, one file a slice, feet to head."""
    folder.mkdir(parents=True)
    slices = phantom_instances(phantom, now=_STUDY_TIME, uid_seed=uid_seed)
    return [_written(ds, folder / f"{k:05d}.dcm") for k, ds in enumerate(slices)]


def _written(ds: Dataset, path: Path) -> Path:
    dcmwrite(path, ds, enforce_file_format=True)
    return path

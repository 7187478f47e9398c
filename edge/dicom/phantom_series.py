"""A phantom as a scanner would send it: CT Image Storage objects (PS3.3 A.3)."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from datetime import datetime

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from edge.dicom.send_plan import GivenUids
from edge.dicom.slice_header import CT_IMAGE_STORAGE
from edge.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from edge.domain.identity import derived_uid
from edge.imaging.phantom import HeadPhantom

_INTERCEPT = -1024


def phantom_instances(
    phantom: HeadPhantom,
    *,
    now: datetime,
    patient_id: str = "PHANTOM",
    accession_number: str = "",
    uid_seed: str | None = None,
    uids: GivenUids | None = None,
) -> list[Dataset]:
    """One Explicit VR Little Endian data set with file meta per slice, feet to head.

    Without `uids` they derive from `uid_seed`, or from voxels and geometry, so the same phantom is the same
    series; `now` is the time of the study.
    """
    seed = uid_seed if uid_seed is not None else _fingerprint(phantom)
    count = len(phantom.voxels_zyx_hu)
    named = uids or GivenUids(
        study=derived_uid("phantom study", seed),
        series=derived_uid("phantom series", seed),
        instances=tuple(derived_uid("phantom instance", seed, str(k)) for k in range(count)),
    )
    common = _common(phantom, now, patient_id, accession_number)
    common.StudyInstanceUID, common.SeriesInstanceUID = named.study, named.series
    common.FrameOfReferenceUID = derived_uid("phantom frame of reference", seed)
    return [_instance(common, phantom, named.instances[k], k) for k in range(count)]


def _fingerprint(phantom: HeadPhantom) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(phantom.voxels_zyx_hu).tobytes())
    digest.update(np.ascontiguousarray(phantom.image_positions_lps_mm).tobytes())
    digest.update(repr((phantom.image_orientation, phantom.acquisition)).encode())
    return digest.hexdigest()


def _ds(value: float) -> str:
    return format_number_as_ds(float(value))


def _common(phantom: HeadPhantom, now: datetime, patient_id: str, accession_number: str) -> Dataset:
    """Patient, study, series, frame of reference, equipment and everything else the slices share."""
    scan = phantom.acquisition
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CT_IMAGE_STORAGE
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = now.strftime("%Y%m%d")
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = now.strftime("%H%M%S")
    ds.AccessionNumber = accession_number
    ds.Modality = "CT"
    ds.Manufacturer = "EDGE PHANTOM"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "SYNTHETIC HEAD"
    ds.SeriesDescription = "SYNTHETIC HEAD AXIAL"
    ds.ManufacturerModelName = "HeadPhantom"
    ds.PatientName = "PHANTOM^SYNTHETIC"
    ds.PatientID = patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = ""
    ds.PatientAge = "060Y"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "SYNTHETIC, NO PATIENT"
    ds.BodyPartExamined = "HEAD"
    ds.SliceThickness = _ds(scan.slice_thickness_mm)
    ds.KVP = "120"
    ds.SpacingBetweenSlices = _ds(scan.spacing_mm)
    ds.GantryDetectorTilt = _ds(scan.tilt_deg)
    ds.ConvolutionKernel = "STANDARD"
    ds.PatientPosition = "HFS"
    ds.StudyID = "1"
    ds.SeriesNumber = "1"
    ds.AcquisitionNumber = "1"
    ds.PositionReferenceIndicator = ""
    _add_pixel_description(ds, phantom)
    return ds


def _add_pixel_description(ds: Dataset, phantom: HeadPhantom) -> None:
    scan = phantom.acquisition
    intercept = min(_INTERCEPT, int(phantom.voxels_zyx_hu.min()))
    highest = int(phantom.voxels_zyx_hu.max()) - intercept
    bits = max(12, highest.bit_length())
    ds.ImageOrientationPatient = [_ds(c) for c in phantom.image_orientation]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = scan.rows, scan.columns
    ds.PixelSpacing = [_ds(scan.pixel_spacing_mm), _ds(scan.pixel_spacing_mm)]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.PixelRepresentation = 0
    if scan.padding_hu < _INTERCEPT:
        ds.PixelPaddingValue = scan.padding_hu - intercept
    ds.WindowCenter, ds.WindowWidth = "35", "80"
    ds.RescaleIntercept = str(intercept)
    ds.RescaleSlope = "1"
    ds.RescaleType = "HU"


def _instance(common: Dataset, phantom: HeadPhantom, uid: str, k: int) -> Dataset:
    ds = deepcopy(common)
    ds.SOPInstanceUID = uid
    ds.InstanceNumber = str(k + 1)
    ds.ImagePositionPatient = [_ds(c) for c in phantom.image_positions_lps_mm[k]]
    stored = phantom.voxels_zyx_hu[k].astype(np.int32) - int(ds.RescaleIntercept)
    ds.PixelData = stored.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(CT_IMAGE_STORAGE)
    meta.MediaStorageSOPInstanceUID = UID(ds.SOPInstanceUID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    ds.file_meta = meta
    return ds

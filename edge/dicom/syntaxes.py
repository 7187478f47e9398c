"""SOP classes and transfer syntaxes the receiver offers, in its order of preference."""

from __future__ import annotations

VERIFICATION = "1.2.840.10008.1.1"
MODALITY_PERFORMED_PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
INSTANCE_AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"
# What is announced by N-CREATE and N-SET.
NOTICES = (MODALITY_PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY_NOTIFICATION)

# Lossless ones first: of those a peer proposes in one presentation context, the first here is taken.
TRANSFER_SYNTAXES: tuple[str, ...] = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless Image Compression
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 Image Compression (Lossless Only)
    "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000 Image Compression (Lossless Only)
    "1.2.840.10008.1.2.4.202",  # High-Throughput JPEG 2000 with RPCL Options (Lossless Only)
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless (Process 14, Selection Value 1)
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless, Non-Hierarchical (Process 14)
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS Lossy (Near-Lossless) Image Compression
    "1.2.840.10008.1.2.4.91",  # JPEG 2000 Image Compression
    "1.2.840.10008.1.2.4.203",  # High-Throughput JPEG 2000 Image Compression
    "1.2.840.10008.1.2.4.51",  # JPEG Extended (Process 2 and 4)
    "1.2.840.10008.1.2.4.50",  # JPEG Baseline (Process 1)
)

# For peers in dicom.deflated_calling_ae_titles alone: what it inflates to is known only when it is read.
DEFLATED = "1.2.840.10008.1.2.1.99"

STORAGE_CLASSES: dict[str, str] = {
    "CT Image Storage": "1.2.840.10008.5.1.4.1.1.2",
    "Enhanced CT Image Storage": "1.2.840.10008.5.1.4.1.1.2.1",
    "Legacy Converted Enhanced CT Image Storage": "1.2.840.10008.5.1.4.1.1.2.2",
    "MR Image Storage": "1.2.840.10008.5.1.4.1.1.4",
    "Enhanced MR Image Storage": "1.2.840.10008.5.1.4.1.1.4.1",
    "Enhanced MR Color Image Storage": "1.2.840.10008.5.1.4.1.1.4.3",
    "Legacy Converted Enhanced MR Image Storage": "1.2.840.10008.5.1.4.1.1.4.4",
    "Computed Radiography Image Storage": "1.2.840.10008.5.1.4.1.1.1",
    "Digital X-Ray Image Storage - For Presentation": "1.2.840.10008.5.1.4.1.1.1.1",
    "Digital X-Ray Image Storage - For Processing": "1.2.840.10008.5.1.4.1.1.1.1.1",
    "Digital Mammography X-Ray Image Storage - For Presentation": "1.2.840.10008.5.1.4.1.1.1.2",
    "Digital Mammography X-Ray Image Storage - For Processing": "1.2.840.10008.5.1.4.1.1.1.2.1",
    "Secondary Capture Image Storage": "1.2.840.10008.5.1.4.1.1.7",
    "Multi-frame Single Bit Secondary Capture Image Storage": "1.2.840.10008.5.1.4.1.1.7.1",
    "Multi-frame Grayscale Byte Secondary Capture Image Storage": "1.2.840.10008.5.1.4.1.1.7.2",
    "Multi-frame Grayscale Word Secondary Capture Image Storage": "1.2.840.10008.5.1.4.1.1.7.3",
    "Multi-frame True Color Secondary Capture Image Storage": "1.2.840.10008.5.1.4.1.1.7.4",
    # What a scanner sends beside its images: senders treat a refused context as a failed examination.
    "Positron Emission Tomography Image Storage": "1.2.840.10008.5.1.4.1.1.128",
    "Enhanced PET Image Storage": "1.2.840.10008.5.1.4.1.1.130",
    "Basic Text SR Storage": "1.2.840.10008.5.1.4.1.1.88.11",
    "Enhanced SR Storage": "1.2.840.10008.5.1.4.1.1.88.22",
    "Comprehensive SR Storage": "1.2.840.10008.5.1.4.1.1.88.33",
    "Comprehensive 3D SR Storage": "1.2.840.10008.5.1.4.1.1.88.34",
    "Procedure Log Storage": "1.2.840.10008.5.1.4.1.1.88.40",
    "Key Object Selection Document Storage": "1.2.840.10008.5.1.4.1.1.88.59",
    "X-Ray Radiation Dose SR Storage": "1.2.840.10008.5.1.4.1.1.88.67",
    "Patient Radiation Dose SR Storage": "1.2.840.10008.5.1.4.1.1.88.73",
    "Grayscale Softcopy Presentation State Storage": "1.2.840.10008.5.1.4.1.1.11.1",
    "Color Softcopy Presentation State Storage": "1.2.840.10008.5.1.4.1.1.11.2",
    "Pseudo-Color Softcopy Presentation State Storage": "1.2.840.10008.5.1.4.1.1.11.3",
    "Blending Softcopy Presentation State Storage": "1.2.840.10008.5.1.4.1.1.11.4",
    "Raw Data Storage": "1.2.840.10008.5.1.4.1.1.66",
    "Spatial Registration Storage": "1.2.840.10008.5.1.4.1.1.66.1",
    "Segmentation Storage": "1.2.840.10008.5.1.4.1.1.66.4",
    "Encapsulated PDF Storage": "1.2.840.10008.5.1.4.1.1.104.1",
    "Siemens CSA Non-Image Storage": "1.3.12.2.1107.5.9.1",
}

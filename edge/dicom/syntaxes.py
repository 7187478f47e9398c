"""SOP classes and transfer syntaxes the receiver offers, in its order of preference."""

from __future__ import annotations

from pydicom import uid

VERIFICATION = "1.2.840.10008.1.1"

# Lossless ones first: of those a peer proposes in one presentation context, the first here is taken.
TRANSFER_SYNTAXES: tuple[str, ...] = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.RLELossless,
    uid.JPEGLSNearLossless,
    uid.JPEG2000,
    uid.HTJ2K,
    uid.JPEGExtended12Bit,
    uid.JPEGBaseline8Bit,
)

STORAGE_CLASSES: dict[str, str] = {
    "CT Image Storage": uid.CTImageStorage,
    "Enhanced CT Image Storage": uid.EnhancedCTImageStorage,
    "Legacy Converted Enhanced CT Image Storage": uid.LegacyConvertedEnhancedCTImageStorage,
    "MR Image Storage": uid.MRImageStorage,
    "Enhanced MR Image Storage": uid.EnhancedMRImageStorage,
    "Enhanced MR Color Image Storage": uid.EnhancedMRColorImageStorage,
    "Legacy Converted Enhanced MR Image Storage": uid.LegacyConvertedEnhancedMRImageStorage,
    "Computed Radiography Image Storage": uid.ComputedRadiographyImageStorage,
    "Digital X-Ray Image Storage - For Presentation": uid.DigitalXRayImageStorageForPresentation,
    "Digital X-Ray Image Storage - For Processing": uid.DigitalXRayImageStorageForProcessing,
    "Digital Mammography X-Ray Image Storage - For Presentation": (
        uid.DigitalMammographyXRayImageStorageForPresentation
    ),
    "Digital Mammography X-Ray Image Storage - For Processing": (
        uid.DigitalMammographyXRayImageStorageForProcessing
    ),
    "Secondary Capture Image Storage": uid.SecondaryCaptureImageStorage,
    "Multi-frame Single Bit Secondary Capture Image Storage": (
        uid.MultiFrameSingleBitSecondaryCaptureImageStorage
    ),
    "Multi-frame Grayscale Byte Secondary Capture Image Storage": (
        uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    ),
    "Multi-frame Grayscale Word Secondary Capture Image Storage": (
        uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    ),
    "Multi-frame True Color Secondary Capture Image Storage": (
        uid.MultiFrameTrueColorSecondaryCaptureImageStorage
    ),
    # What a scanner sends beside its images: senders treat a refused context as a failed examination.
    "Positron Emission Tomography Image Storage": uid.PositronEmissionTomographyImageStorage,
    "Enhanced PET Image Storage": uid.EnhancedPETImageStorage,
    "Basic Text SR Storage": uid.BasicTextSRStorage,
    "Enhanced SR Storage": uid.EnhancedSRStorage,
    "Comprehensive SR Storage": uid.ComprehensiveSRStorage,
    "Comprehensive 3D SR Storage": uid.Comprehensive3DSRStorage,
    "Procedure Log Storage": uid.ProcedureLogStorage,
    "Key Object Selection Document Storage": uid.KeyObjectSelectionDocumentStorage,
    "X-Ray Radiation Dose SR Storage": uid.XRayRadiationDoseSRStorage,
    "Patient Radiation Dose SR Storage": uid.PatientRadiationDoseSRStorage,
    "Grayscale Softcopy Presentation State Storage": uid.GrayscaleSoftcopyPresentationStateStorage,
    "Color Softcopy Presentation State Storage": uid.ColorSoftcopyPresentationStateStorage,
    "Pseudo-Color Softcopy Presentation State Storage": uid.PseudoColorSoftcopyPresentationStateStorage,
    "Blending Softcopy Presentation State Storage": uid.BlendingSoftcopyPresentationStateStorage,
    "Raw Data Storage": uid.RawDataStorage,
    "Spatial Registration Storage": uid.SpatialRegistrationStorage,
    "Segmentation Storage": uid.SegmentationStorage,
    "Encapsulated PDF Storage": uid.EncapsulatedPDFStorage,
    "Siemens CSA Non-Image Storage": "1.3.12.2.1107.5.9.1",
}

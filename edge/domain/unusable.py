"""Why a stored instance is no slice: the one list behind outcome, metric, log and quarantine."""

from __future__ import annotations

from enum import StrEnum


class UnusableReason(StrEnum):
    """A metric label each; the conformance statement says what a peer can do about it."""

    # Sound, but no image of a volume: bars nothing.
    LOCALIZER = "localizer"
    NOT_A_SLICE = "not_a_slice"
    PRESENTATION_STATE = "presentation_state"
    SECONDARY_CAPTURE = "secondary_capture"
    STRUCTURED_REPORT = "structured_report"
    # An image of the volume that is not used.
    COLOUR_IMAGE = "colour_image"
    PALETTE_COLOUR = "palette_colour"
    MULTI_FRAME_UNSUPPORTED = "multi_frame_unsupported"
    NOT_HOUNSFIELD = "not_hounsfield"
    # The file.
    FILE_UNAVAILABLE = "file_unavailable"
    INBOX_UNREADABLE = "inbox_unreadable"
    NOT_DICOM = "not_dicom"
    TRUNCATED = "truncated"
    HEADER_TOO_LARGE = "header_too_large"
    BAD_DEFLATE = "bad_deflate"
    INFLATES_TOO_LARGE = "inflates_too_large"
    # Attributes: missing, contradictory, or no number where one belongs.
    BAD_ATTRIBUTE = "bad_attribute"
    BAD_BITS = "bad_bits"
    BAD_PIXEL_REPRESENTATION = "bad_pixel_representation"
    BAD_RESCALE = "bad_rescale"
    ABSURD_RESCALE = "absurd_rescale"
    MISSING_RESCALE = "missing_rescale"
    MODALITY_LUT_UNSUPPORTED = "modality_lut_unsupported"
    MISSING_MATRIX = "missing_matrix"
    FRAME_COUNT_MISMATCH = "frame_count_mismatch"
    FRAME_TOO_LARGE = "frame_too_large"
    # Geometry.
    MISSING_IMAGE_ORIENTATION_PATIENT = "missing_image_orientation_patient"
    MISSING_IMAGE_POSITION_PATIENT = "missing_image_position_patient"
    MISSING_PIXEL_SPACING = "missing_pixel_spacing"
    NON_FINITE_GEOMETRY = "non_finite_geometry"
    BAD_GEOMETRY = "bad_geometry"
    # Pixel data, before a decoder sees them.
    MISSING_PIXEL_DATA = "missing_pixel_data"
    PIXEL_DATA_TOO_LONG = "pixel_data_too_long"
    PIXEL_DATA_TOO_SHORT = "pixel_data_too_short"
    BAD_FRAGMENTS = "bad_fragments"
    BAD_OFFSET_TABLE = "bad_offset_table"
    BAD_CODESTREAM = "bad_codestream"
    CODESTREAM_TOO_COMPLEX = "codestream_too_complex"
    FRAME_SIZE_MISMATCH = "frame_size_mismatch"
    # What a decoder did with them.
    MATRIX_MISMATCH = "matrix_mismatch"
    UNDECODABLE = "undecodable"
    DECODER_CRASHED = "decoder_crashed"
    DECODER_TIMED_OUT = "decoder_timed_out"
    DECODER_OUT_OF_MEMORY = "decoder_out_of_memory"
    # An error of ours.
    INTERNAL_ERROR = "internal_error"


# Instances that are no part of any volume; every other one set aside bars a negative.
OTHER_KINDS = frozenset(
    {
        UnusableReason.LOCALIZER,
        UnusableReason.NOT_A_SLICE,
        UnusableReason.PRESENTATION_STATE,
        UnusableReason.SECONDARY_CAPTURE,
        UnusableReason.STRUCTURED_REPORT,
    }
)

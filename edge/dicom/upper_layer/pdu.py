"""The PDUs but for the two of association (PS3.8 9.3): headers, values of P-DATA-TF, short answers."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

from edge.dicom.upper_layer.reasons import AbortReason, AbortSource, InvalidPdu, RejectReason

HEADER_BYTES = 6
IS_COMMAND, IS_LAST = 1, 2
# In one P-DATA-TF, and of several in one event: senders put one or two in; 22,000 empty ones would fit.
MOST_VALUES = 1024
# Presentation context ID, message control header (PS3.8 annex E.2), payload.
PresentationDataValue = tuple[int, int, memoryview]

_HEADER = Struct(">BxL")
_VALUE = Struct(">LBB")
_VALUE_BYTES = 6
# Both in one, for a PDU with one value.
_RUN = Struct(">BxLLBB")
_ABORT = Struct(">BxLxxBB")
_REJECT = Struct(">BxLxBBB")


class PduType(IntEnum):
    """First byte of a PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


_DATA_TF = int(PduType.DATA_TF)
RELEASE_RQ = _HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)
RELEASE_RP = _HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)
_KNOWN = frozenset(int(kind) for kind in PduType)
_HTTP_METHODS = frozenset({b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"CONN", b"PRI "})
_OF_FOUR_BYTES = frozenset({PduType.ASSOCIATE_RJ, PduType.RELEASE_RQ, PduType.RELEASE_RP, PduType.ABORT})


def header(buffer: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """Type and length of the PDU that begins at `at`; raises InvalidPdu for one that nobody may send."""
    kind, length = _HEADER.unpack_from(buffer, at)
    if kind == PduType.DATA_TF:
        return kind, length
    if kind not in _KNOWN:
        raise InvalidPdu(AbortReason.UNRECOGNIZED_PDU, "unrecognized_pdu")
    if kind in _OF_FOUR_BYTES and length != 4:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "pdu_length")
    return kind, length


def foreign_protocol(first: bytes) -> str:
    """What else often comes to an open port, in snake_case for the metric; empty for anything else."""
    if first.startswith(b"\x16\x03"):
        return "tls_on_plain_port"
    return "http_on_dicom_port" if first in _HTTP_METHODS else ""


def data_values(buffer: memoryview, at: int, end: int) -> list[PresentationDataValue]:
    """The presentation data values of a P-DATA-TF, which must fill it exactly (PS3.8 9.3.5)."""
    values: list[PresentationDataValue] = []
    while at < end:
        if end - at < _VALUE_BYTES:
            raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "pdv_length")
        length, context_id, control = _VALUE.unpack_from(buffer, at)
        next_at = at + 4 + length
        if length < 2 or next_at > end:
            raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "pdv_length")
        if len(values) == MOST_VALUES:
            raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "pdv_count")
        values.append((context_id, control, buffer[at + _VALUE_BYTES : next_at]))
        at = next_at
    if not values:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "pdu_without_pdv")
    return values


def data_run(buffer: memoryview, at: int, end: int, longest: int) -> tuple[list[PresentationDataValue], int]:
    """Those of up to MOST_VALUES whole P-DATA-TF from `at` on that hold one each, and where they end.

    It stops at anything else, also what is wrong, and leaves that to `header` and `data_values`.
    """
    values: list[PresentationDataValue] = []
    while end - at >= _RUN.size:
        kind, length, value_length, context_id, control = _RUN.unpack_from(buffer, at)
        stop = at + HEADER_BYTES + length
        if (
            kind != _DATA_TF
            or stop > end
            or not _VALUE_BYTES <= length <= longest
            or length - 4 != value_length
            or len(values) == MOST_VALUES
        ):
            break
        values.append((context_id, control, buffer[at + _RUN.size : stop]))
        at = stop
    return values, at


def data_pdus(context_id: int, content: bytes, *, is_command: bool, max_pdu_bytes: int) -> bytes:
    """One command set or data set as P-DATA-TFs of at most `max_pdu_bytes`, 0 for no limit (PS3.8 D.1)."""
    room = max(2, max_pdu_bytes - _VALUE_BYTES) if max_pdu_bytes else max(1, len(content))
    kind = IS_COMMAND if is_command else 0
    made: list[bytes] = []
    for at in range(0, max(1, len(content)), room):
        part = content[at : at + room]
        control = kind | (IS_LAST if at + room >= len(content) else 0)
        made.append(_HEADER.pack(PduType.DATA_TF, len(part) + _VALUE_BYTES))
        made.append(_VALUE.pack(len(part) + 2, context_id, control))
        made.append(part)
    return b"".join(made)


def abort(source: AbortSource, reason: AbortReason) -> bytes:
    """A-ABORT; the reason of a service user is always 0 (PS3.8 9.3.8)."""
    shown = reason if source is AbortSource.SERVICE_PROVIDER else AbortReason.NOT_SPECIFIED
    return _ABORT.pack(PduType.ABORT, 4, source, shown)


def read_abort(buffer: memoryview, at: int) -> tuple[AbortSource, AbortReason]:
    """Values the standard reserves are read as an unspecified abort of the provider."""
    source, reason = buffer[at + 2], buffer[at + 3]
    if source == AbortSource.SERVICE_USER:
        return AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED
    known = reason in AbortReason.__members__.values()
    return AbortSource.SERVICE_PROVIDER, AbortReason(reason) if known else AbortReason.NOT_SPECIFIED


def reject(reason: RejectReason) -> bytes:
    """A-ASSOCIATE-RJ."""
    return _REJECT.pack(PduType.ASSOCIATE_RJ, 4, *reason.value)


def read_reject(buffer: memoryview, at: int) -> tuple[int, int, int]:
    """(result, source, reason) as they came."""
    return buffer[at + 1], buffer[at + 2], buffer[at + 3]

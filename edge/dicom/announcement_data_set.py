"""The data sets of MPPS and IAN, read under limits: UIDs, a status, and nothing about a patient.

They carry names; nothing of an element that is not asked for here is decoded, kept or logged.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import cast

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from edge.dicom.attributes import text
from edge.dicom.status import NoticeAnswer, NoticeStatus, usable_uid
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID

# A reference takes about 110 bytes: some 9,000 instances, three times the thinnest examination.
MOST_BYTES = 1 << 20
# 131,000 empty items fit as well: 80 MiB and some ten seconds of Python, in which no scanner is served.
_MOST_ITEMS = 12_000
_ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")

_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"

TOO_LARGE = NoticeAnswer(NoticeStatus.RESOURCE_LIMITATION, "notice_too_large", "Data set is over 1 MiB")
TOO_MANY_ITEMS = NoticeAnswer(NoticeStatus.RESOURCE_LIMITATION, "notice_too_large", "Over 12000 items")
UNDECODABLE = NoticeAnswer(NoticeStatus.PROCESSING_FAILURE, "undecodable", "Data set cannot be read")


class Refused(Exception):
    """The data set is not what its service asks for; `answer` says why in the standard's words."""

    def __init__(self, answer: NoticeAnswer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


def read(encoded: bytes, transfer_syntax_uid: str, keywords: Sequence[str]) -> Dataset:
    """The top-level elements asked for; raises Refused, and nothing else, for what cannot be read."""
    if len(encoded) > MOST_BYTES:
        raise Refused(TOO_LARGE)
    if max(map(encoded.count, _ITEM_TAGS)) > _MOST_ITEMS:
        raise Refused(TOO_MANY_ITEMS)
    with _decoding():
        found = read_dataset(
            BytesIO(encoded),
            is_implicit_VR=transfer_syntax_uid == _IMPLICIT_LITTLE_ENDIAN,
            is_little_endian=transfer_syntax_uid != _EXPLICIT_BIG_ENDIAN,
            specific_tags=[Tag(keyword) for keyword in keywords],
        )
        for keyword in keywords:
            _ = found.get(keyword)  # sequences are decoded when they are asked for
    return found


def required(data_set: Dataset, keyword: str) -> str:
    """Text that must be there; raises Refused with 0x0120 or 0x0121."""
    if keyword not in data_set:
        raise Refused(_missing(keyword))
    with _decoding():
        value = text(data_set, keyword)
    if not value:
        raise Refused(_empty(keyword))
    return value


def required_uid(data_set: Dataset, keyword: str) -> str:
    """Raises Refused as well, with 0x0106, for what can be no UID."""
    value = required(data_set, keyword)
    if not usable_uid(value):
        raise Refused(invalid(keyword))
    return value


def items(data_set: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Those of a sequence, none when it is absent or empty; raises Refused for what is no sequence."""
    with _decoding():
        value = cast("object", data_set.get(keyword))
    if value is None or value == "":
        return ()
    found = tuple(cast("Iterable[object]", value)) if not isinstance(value, str | bytes) else (value,)
    if not all(isinstance(item, Dataset) for item in found):
        raise Refused(invalid(keyword))
    return cast("tuple[Dataset, ...]", found)


def required_items(data_set: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """At least one; raises Refused with 0x0120 or 0x0121."""
    found = items(data_set, keyword)
    if not found:
        raise Refused(_empty(keyword) if keyword in data_set else _missing(keyword))
    return found


def instances(references: Iterable[Dataset]) -> frozenset[SopInstanceUID]:
    """The instances that items of the SOP Instance Reference macro name (PS3.3 table 10-11)."""
    return frozenset(SopInstanceUID(required_uid(item, "ReferencedSOPInstanceUID")) for item in references)


def series_uid(item: Dataset) -> SeriesInstanceUID:
    return SeriesInstanceUID(required_uid(item, "SeriesInstanceUID"))


def invalid(keyword: str) -> NoticeAnswer:
    """0x0106; the comment names the attribute and never its value."""
    return NoticeAnswer(NoticeStatus.INVALID_ATTRIBUTE_VALUE, "invalid_attribute", f"Invalid: {keyword}")


@contextmanager
def _decoding() -> Generator[None]:
    """Whatever pydicom raises is a refusal; elements of items it decodes only when they are asked for."""
    try:
        yield
    except Exception as error:
        raise Refused(UNDECODABLE) from error


def _missing(keyword: str) -> NoticeAnswer:
    return NoticeAnswer(NoticeStatus.MISSING_ATTRIBUTE, "missing_attribute", f"Missing: {keyword}")


def _empty(keyword: str) -> NoticeAnswer:
    return NoticeAnswer(NoticeStatus.MISSING_ATTRIBUTE_VALUE, "missing_value", f"Empty: {keyword}")

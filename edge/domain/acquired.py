"""When a slice was acquired, by the scanner's clock: reconstructions keep it, a repeated scan has another."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

# Down to the minute at least (VR DT, PS3.5 6.2).
_MOMENT = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?")


def first_acquired(texts: Iterable[str]) -> datetime | None:
    """The earliest of date-times as SliceHeader has them, without a zone; None where none says one."""
    return min((at for text in texts if (at := _moment(text)) is not None), default=None)


def examination_began(at: datetime | None, others: Iterable[datetime], longest: timedelta) -> datetime | None:
    """When the examination began that images of `at` are of, by them and by `others` of the study.

    An examination is what was acquired within `longest` of its first image.
    """
    began: datetime | None = None
    for one in [] if at is None else sorted({at, *(other for other in others if other < at)}):
        if began is None or one - began > longest:
            began = one
    return began


def _moment(text: str) -> datetime | None:
    match = _MOMENT.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - no zone is told
    except ValueError:
        return None

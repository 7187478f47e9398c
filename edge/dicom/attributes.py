"""Attribute values of a data set that may lack them, or hold nonsense, as plain Python values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import SupportsFloat, cast

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

# Identifiers with letters and numbers with commas are what the field sends; what matters we check.
config.settings.reading_validation_mode = config.IGNORE

Value = str | bytes | SupportsFloat | None


def values_of(data_set: Dataset, keyword: str) -> tuple[Value, ...]:
    """All values of an attribute, none when it is absent or empty."""
    value = cast("object", data_set.get(keyword))
    if value is None or value in ("", b""):
        return ()
    if isinstance(value, MultiValue | list | tuple):
        return tuple(cast("Iterable[Value]", value))
    return (cast("Value", value),)


def texts(data_set: Dataset, keyword: str) -> tuple[str, ...]:
    """All values as stripped text."""
    return tuple(str(value).strip(" \0") for value in values_of(data_set, keyword))


def text(data_set: Dataset, keyword: str) -> str:
    """The first value as stripped text, empty when there is none."""
    return next(iter(texts(data_set, keyword)), "")


def numbers(data_set: Dataset, keyword: str) -> tuple[float, ...]:
    """All values as numbers; raises RejectInput for one that is none."""
    try:
        return tuple(float(cast("SupportsFloat", value)) for value in values_of(data_set, keyword))
    except (TypeError, ValueError, OverflowError) as error:
        raise RejectInput(UnusableReason.BAD_ATTRIBUTE) from error


def positive(data_set: Dataset, keyword: str) -> float | None:
    """The first value when it is a finite number above 0; optional attributes are often empty or 0."""
    found = next(iter(numbers(data_set, keyword)), None)
    return found if found is not None and math.isfinite(found) and found > 0 else None


def integer(data_set: Dataset, keyword: str) -> int | None:
    """The first value as an integer, None when there is none; raises RejectInput for NaN and infinity."""
    found = next(iter(numbers(data_set, keyword)), None)
    if found is not None and not math.isfinite(found):
        raise RejectInput(UnusableReason.BAD_ATTRIBUTE)
    return None if found is None else int(found)

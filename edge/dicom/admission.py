"""Who may open an association; the answer is the standard's own reject reason (PS3.8 table 9-21)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Self

from edge.domain.identity import AETitle
from edge.settings import DicomSettings

_PERMANENT, _TRANSIENT = 1, 2
_SERVICE_USER, _PRESENTATION_PROVIDER = 1, 3


class RejectReason(Enum):
    """(result, source, reason/diagnostic) as in the A-ASSOCIATE-RJ PDU."""

    CALLING_AE_TITLE_NOT_RECOGNIZED = (_PERMANENT, _SERVICE_USER, 3)
    CALLED_AE_TITLE_NOT_RECOGNIZED = (_PERMANENT, _SERVICE_USER, 7)
    TEMPORARY_CONGESTION = (_TRANSIENT, _PRESENTATION_PROVIDER, 1)
    LOCAL_LIMIT_EXCEEDED = (_TRANSIENT, _PRESENTATION_PROVIDER, 2)

    @property
    def label(self) -> str:
        """The reason in snake_case, for metric and log."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom the receiver talks to; an empty allow-list admits every calling AE title."""

    ae_title: str
    calling_ae_titles: frozenset[str]
    max_associations: int

    @classmethod
    def from_settings(cls, settings: DicomSettings) -> Self:
        return cls(settings.ae_title, frozenset(settings.calling_ae_titles), settings.max_associations)

    def admit(self, *, calling: str, called: str, open_associations: int) -> RejectReason | None:
        """None when the peer is welcome; `open_associations` are those admitted and not yet ended.

        Titles are compared without leading and trailing spaces, and with case (PS3.8 9.3.2).
        """
        if called.strip(" ") != self.ae_title:
            return RejectReason.CALLED_AE_TITLE_NOT_RECOGNIZED
        title = _valid(calling)
        if title is None or (self.calling_ae_titles and title not in self.calling_ae_titles):
            return RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED
        if open_associations >= self.max_associations:
            return RejectReason.LOCAL_LIMIT_EXCEEDED
        return None


def _valid(title: str) -> str | None:
    try:
        return AETitle(title)
    except ValueError:
        return None

"""Why an association is refused or broken off, in the standard's own numbers (PS3.8 9.3.4, 9.3.8)."""

from __future__ import annotations

from enum import Enum, IntEnum

_PERMANENT, _TRANSIENT = 1, 2
_SERVICE_USER, _ACSE_PROVIDER, _PRESENTATION_PROVIDER = 1, 2, 3


class RejectReason(Enum):
    """(result, source, reason/diagnostic) as in the A-ASSOCIATE-RJ PDU (PS3.8 table 9-21)."""

    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = (_PERMANENT, _SERVICE_USER, 2)
    CALLING_AE_TITLE_NOT_RECOGNIZED = (_PERMANENT, _SERVICE_USER, 3)
    CALLED_AE_TITLE_NOT_RECOGNIZED = (_PERMANENT, _SERVICE_USER, 7)
    PROTOCOL_VERSION_NOT_SUPPORTED = (_PERMANENT, _ACSE_PROVIDER, 2)
    TEMPORARY_CONGESTION = (_TRANSIENT, _PRESENTATION_PROVIDER, 1)
    LOCAL_LIMIT_EXCEEDED = (_TRANSIENT, _PRESENTATION_PROVIDER, 2)

    @property
    def label(self) -> str:
        """The reason in snake_case, for metric and log."""
        return self.name.lower()


class AbortSource(IntEnum):
    """Who broke off (PS3.8 table 9-26); 1 is reserved and read as the provider."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Means something only when the provider aborts (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PDU_PARAMETER = 4
    UNEXPECTED_PDU_PARAMETER = 5
    INVALID_PDU_PARAMETER = 6


class InvalidPdu(Exception):
    """Event 19: a PDU that is none, or is not as the standard says; `detail` is a metric label."""

    def __init__(self, reason: AbortReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class NotNow(Exception):
    """The local user asked for what table 9-10 has no cell for in this state."""

"""What a failed attempt means: gRPC status codes to the errors whose class says the action.

| code | means | class |
|---|---|---|
| UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED, CANCELLED | server down, busy or starting | ServerAway |
| NOT_FOUND (model) | not loaded yet | ServerAway |
| DEADLINE_EXCEEDED | our own timeout; the server keeps computing | ServerLate |
| INTERNAL, UNKNOWN, DATA_LOSS | dead stub, CUDA error | ServerBroken |
| anything else, as INVALID_ARGUMENT | our bug or a wrong model | RequestRefused |
"""

from __future__ import annotations

from edge.errors import RefuseModel, RetryPeer


class AttemptFailed(RetryPeer):
    """One attempt brought no answer; `reason` is a metric label."""

    def __init__(self, reason: str, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or reason, hint=hint)
        self.reason = reason


class ServerAway(AttemptFailed):
    """Down, busy or starting: try again after a pause."""


class ServerLate(AttemptFailed):
    """Our deadline passed; whether the server hangs, the canary must tell."""


class ServerBroken(AttemptFailed):
    """The server answers but cannot be trusted until the canary passes."""


class RequestRefused(RefuseModel):
    """The server will refuse this request for ever; `reason` is a metric label."""

    def __init__(self, reason: str, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or reason, hint=hint)
        self.reason = reason


_CLASS_OF_CODE: dict[str, type[AttemptFailed]] = {
    "unavailable": ServerAway,
    "resource_exhausted": ServerAway,
    "aborted": ServerAway,
    "cancelled": ServerAway,
    "not_found": ServerAway,
    "deadline_exceeded": ServerLate,
    "internal": ServerBroken,
    "unknown": ServerBroken,
    "data_loss": ServerBroken,
}


def failure(code: str, message: str) -> AttemptFailed | RequestRefused:
    """The error for a gRPC status `code` in snake_case."""
    known = _CLASS_OF_CODE.get(code)
    return known(code, message) if known is not None else RequestRefused(code, message)

"""The errors of the appliance; the class says which action ends the trouble."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import ClassVar, cast


class EdgeError(Exception):
    """Anything the appliance raises on purpose; `hint` tells a person what to do next."""

    hint: ClassVar[str] = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])
        self.advice = hint or self.hint


class FixConfiguration(EdgeError):
    """A person must change settings or the installation before this can work."""


class RejectInput(EdgeError):
    """This input can never be processed; `reason` is a metric label, so it holds no patient data."""

    def __init__(self, reason: str, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or reason, hint=hint)
        self.reason = reason


class RetryPeer(EdgeError):
    """The other side is away or busy; the same request may succeed later."""


class NotPublished(RetryPeer):
    """The broker has not acknowledged a message; `reason`, one word in snake_case, is a metric label."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MessageRefused(NotPublished):
    """The broker is there but would not take this one message; the next one may well pass."""


class ShedLoad(EdgeError):
    """A resource of this box is used up; refuse new work until it is free again."""


class RefuseModel(EdgeError):
    """A model contradicts its own contract; it must not serve until a person has looked."""


class InboxFull(ShedLoad):
    """The inbox has less free space than dicom.min_free_gib."""

    hint = "Free disk space, or lower dicom.min_free_gib if the disk is meant to be this full."


class InboxUnreadable(ShedLoad):
    """A stored file is there and could not be read just now; the message is the errno's name."""

    hint = "Check the disk, the free memory and the limit of open files of edge agent."


class DecoderUnavailable(ShedLoad):
    """No worker can decode a compressed frame just now; the message says why in one word."""

    hint = "Check the free memory and the limits of processes and open files of edge agent."


def where(error: BaseException) -> str:
    """Type and place of an error, never its text: that could hold what the sender sent."""
    group = cast("BaseExceptionGroup[BaseException]", error)
    first = group.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
    frames = traceback.extract_tb(first.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "no frame"
    return f"{type(first).__name__} at {place}"

"""What `edge up` starts and watches beside our own programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """A program for `edge up` to supervise; `environment` is complete, `ready` cheap and never raises."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    stop_timeout_s: float = 10.0

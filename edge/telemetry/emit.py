"""`emit(happening)`: one log line on standard error and the metrics that go with it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, MutableMapping
from dataclasses import fields
from typing import Any, Literal, TextIO, get_args

import structlog
from prometheus_client import CollectorRegistry

from edge.errors import FixConfiguration
from edge.telemetry.events import Happening
from edge.telemetry.instruments import Instruments
from edge.telemetry.line_rate import OF_STRANGERS, LineRate
from edge.telemetry.metrics import CATALOGUE, LOG_LINES_LOST
from edge.telemetry.reactions import REACTIONS, Level

LogFormat = Literal["auto", "text", "json"]

_LEVELS: dict[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST = 400


class Emitter:
    """One per process; `emit` is safe from any thread and never raises for a log that cannot be written.

    `role` is receiver, agent or another word for this process; `registry` is what /metrics shows.
    """

    def __init__(
        self,
        role: str,
        log_format: LogFormat = "auto",
        level: Level = "info",
        stream: TextIO | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        stream = stream or sys.stderr
        if stream is None:
            raise FixConfiguration("standard error is closed", hint="Start it with standard error open.")
        terminal = stream.isatty()
        as_text = log_format == "text" or (log_format == "auto" and terminal)
        self._least = _LEVELS[level]
        self._monotonic, self._line_rate = monotonic, LineRate()
        self._instruments = Instruments(CATALOGUE, role)
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _one_line,
                structlog.dev.ConsoleRenderer(colors=terminal, pad_event_to=24, sort_keys=False)
                if as_text
                else structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            wrapper_class=structlog.BoundLogger,
            role=role,
        )

    @property
    def registry(self) -> CollectorRegistry:
        """For TelemetryEndpoint."""
        return self._instruments.registry

    def emit(self, happening: Happening) -> None:
        """Raises TypeError for a happening that REACTIONS does not know."""
        reaction = REACTIONS.get(type(happening))
        if reaction is None:
            raise TypeError(f"{type(happening).__name__} has no row in edge/telemetry/reactions.py")
        reaction.act(self._instruments, happening)
        level = reaction.level(happening)
        if _LEVELS[level] < self._least:
            return
        more: dict[str, int] = {}
        if type(happening) in OF_STRANGERS:
            left_out = self._line_rate.admit(f"{type(happening).__name__} {level}", self._monotonic())
            if left_out is None:
                return
            more = {"lines_left_out": left_out} if left_out else {}
        try:
            getattr(self._log, level)(event_name(type(happening)), **_fields(happening), **more)
        except (OSError, ValueError):  # a closed or full standard error must not stop a page
            self._instruments.count(LOG_LINES_LOST)


def event_name(kind: type) -> str:
    """SeriesSettled is series_settled in the log."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


def happening_types() -> tuple[type, ...]:
    """Every type `emit` may be given."""
    return get_args(Happening)


def _fields(happening: Happening) -> dict[str, Any]:
    values = {f.name: getattr(happening, f.name) for f in fields(happening)}
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items() if v not in ("", None)}


def _one_line(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What a peer or an exception said must not forge a second line or flood the log."""
    for key, value in line.items():
        if isinstance(value, str):
            shown = str(value)
            if len(shown) > _LONGEST:
                shown = shown[:_LONGEST] + "…"
            line[key] = _CONTROL.sub(lambda c: f"\\x{ord(c.group()):02x}", shown)
    return line

"""Catalogue entries come alive: one registry per process, labels that cannot grow without bound."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

# From one decoded slice (10 ms) to a series that waited out its deadline (10 min).
BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)

# A label value that was not known beforehand: a word in snake_case, a DIMSE status in hex, or nothing;
# a token (24 hex digits) is none of these.
_WORD = re.compile(r"(?![0-9a-f]{16})[a-z][a-z0-9_]{0,62}|0x[0-9a-f]{4}|")
# Distinct values per label; the table of reasons is far smaller, so more means a bug upstream.
_MOST_VALUES = 40
_MOST_ASKED = 1000
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the catalogue.

    `roles` show it from the start, others once it was touched; `preset` are the label values it shows
    at zero from the start, so that an alert rule sees the very first increase.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    help: str
    roles: frozenset[str]
    labels: tuple[str, ...] = ()
    preset: tuple[tuple[str, ...], ...] = ()


counter = partial(Metric, "counter")
gauge = partial(Metric, "gauge")
histogram = partial(Metric, "histogram")


class Instruments:
    """The live metrics of one process; every method may be called from any thread."""

    def __init__(self, catalogue: Iterable[Metric], role: str) -> None:
        # The *_created gauges double every series and say nothing that a restart does not.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._live: dict[str, Counter | Gauge | Histogram] = {}
        self._seen: dict[tuple[str, str], set[str]] = {}
        # What was asked for before, for instances and slices ask for the same again and again.
        self._asked: dict[tuple[object, ...], Counter | Gauge | Histogram] = {}
        self._members: dict[str, set[object]] = {}
        self._lock = Lock()
        ProcessCollector(registry=self.registry)
        for metric in catalogue:
            if role in metric.roles:
                self._instrument(metric)

    def count(self, metric: Metric, **labels: str) -> None:
        """One more."""
        found = self._labelled(metric, labels)
        assert isinstance(found, Counter)
        found.inc()

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """The value now."""
        found = self._labelled(metric, labels)
        assert isinstance(found, Gauge)
        found.set(value)

    def observe(self, metric: Metric, seconds: float, **labels: str) -> None:
        """One duration; a clock that stepped back counts as zero."""
        found = self._labelled(metric, labels)
        assert isinstance(found, Histogram)
        found.observe(max(0.0, seconds))

    def one_hot(self, metric: Metric, value: str) -> None:
        """1 for the preset label value that holds, 0 for the others."""
        for (preset,) in metric.preset:
            self.set(metric, float(preset == value), **{metric.labels[0]: preset})

    def join(self, metric: Metric, member: object) -> None:
        """The gauge is the number of distinct members; joining twice counts once."""
        self._change_members(metric, member, joins=True)

    def leave(self, metric: Metric, member: object) -> None:
        """A member that never joined changes nothing."""
        self._change_members(metric, member, joins=False)

    def _change_members(self, metric: Metric, member: object, *, joins: bool) -> None:
        with self._lock:
            members = self._members.setdefault(metric.name, set())
            (members.add if joins else members.discard)(member)
            size = len(members)
        self.set(metric, size)

    def _labelled(self, metric: Metric, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        live = self._instrument(metric)
        if not metric.labels:
            return live
        asked = (metric.name, *labels.items())
        found = self._asked.get(asked)
        if found is None:
            found = live.labels(*(self._bounded(metric, name, labels[name]) for name in metric.labels))
            if len(self._asked) < _MOST_ASKED:
                self._asked[asked] = found
        return found

    def _instrument(self, metric: Metric) -> Counter | Gauge | Histogram:
        with self._lock:
            if metric.name in self._live:
                return self._live[metric.name]
            live = self._create(metric)
            self._live[metric.name] = live
            for values in metric.preset:
                live.labels(*values)
                for name, value in zip(metric.labels, values, strict=True):
                    self._seen.setdefault((metric.name, name), set()).add(value)
            return live

    def _create(self, metric: Metric) -> Counter | Gauge | Histogram:
        match metric.kind:
            case "counter":
                return Counter(metric.name, metric.help, metric.labels, registry=self.registry)
            case "gauge":
                return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
            case "histogram":
                return Histogram(
                    metric.name, metric.help, metric.labels, registry=self.registry, buckets=BUCKETS_S
                )

    def _bounded(self, metric: Metric, label: str, value: str) -> str:
        """The value if it may be a label, else OTHER: no free text, and not more than a few words."""
        with self._lock:
            seen = self._seen.setdefault((metric.name, label), set())
            if value in seen:
                return value
            if len(seen) >= _MOST_VALUES or not (_WORD.fullmatch(value) or label == "version"):
                return OTHER
            seen.add(value)
            return value

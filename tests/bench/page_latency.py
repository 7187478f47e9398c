"""From the last slice stored to the final word at a subscriber, through the whole appliance; and memory."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from edge.clock import SystemClock
from edge.dicom.send_plan import FolderSource, SendPlan
from edge.dicom.sender import run as send
from edge.domain.alert import AlertStatus
from edge.domain.identity import AETitle
from edge.domain.outcome import OutcomeKind
from edge.imaging.phantom import Bleed, BleedType, HeadPhantom, head_phantom
from edge.mqtt.message import AlertMessage, ResultMessage
from tests.bench.ct_files import series_files
from tests.bench.figures import markdown, spread
from tests.bench.processes import peak_rss_mib
from tests.e2e.appliance import Appliance

_PATIENCE_S = 60.0
_SLICES = 36

Say = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How many heads, three of four with a bleed, and one long series at the end."""

    series: int
    slices_per_s: float
    long_slices: int
    long_slices_per_s: float


SHORT = Extent(series=4, slices_per_s=12.0, long_slices=200, long_slices_per_s=30.0)
LONG = Extent(series=26, slices_per_s=10.0, long_slices=600, long_slices_per_s=30.0)


@dataclass(frozen=True)
class Head:
    """A phantom and what the appliance must say of it; `first_blood` is a slice index or None."""

    phantom: HeadPhantom
    first_blood: int | None

    @property
    def outcome(self) -> OutcomeKind:
        return OutcomeKind.NO_FINDING if self.first_blood is None else OutcomeKind.FINDING


@dataclass(frozen=True)
class Journey:
    """One series; seconds, None where there was no such page. Negative is before the last slice."""

    outcome: str
    degraded: bool
    last_slice_to_result_s: float
    last_slice_to_confirmed_s: float | None
    first_blood_to_preliminary_s: float | None
    last_slice_to_preliminary_s: float | None

    @property
    def last_slice_to_final_s(self) -> float:
        """Until the CONFIRMED page, or the result where nobody is paged."""
        confirmed = self.last_slice_to_confirmed_s
        return self.last_slice_to_result_s if confirmed is None else confirmed


def run(folder: Path, extent: Extent, say: Say) -> dict[str, Any]:
    """Every series once through an appliance of its own; raises when one does not end as it must."""
    bleeds = [
        _head(7, Bleed(BleedType.INTRAPARENCHYMAL, volume_ml=30.0)),
        _head(9, Bleed(BleedType.INTRAPARENCHYMAL, volume_ml=20.0, side="right")),
    ]
    without = _head(8)
    folder.mkdir(parents=True)
    # The tests shorten the quiet timer; here it is the shipped one.
    appliance = Appliance(folder / "appliance", EDGE_COMPLETENESS__QUIET_S="4", EDGE_ALERTING__BUDGET="0")
    with ExitStack() as running:
        running.push(appliance)  # before it starts, so that what a failed start leaves behind is stopped
        appliance.__enter__()
        journeys: list[Journey] = []
        for k in range(extent.series):
            head = without if k % 4 == 3 else bleeds[k % len(bleeds)]
            journey = _journey(appliance, head, folder / "series", extent.slices_per_s)
            journeys.append(journey)
            say(f"  series {k + 1}: {journey.outcome}, final word {journey.last_slice_to_final_s:+.3f} s")
        memory = {"after_series": _memory(appliance)}
        long = _stretched(bleeds[0], extent.long_slices)
        long_journey = _journey(appliance, long, folder / "series", extent.long_slices_per_s)
        memory["after_long_series"] = _memory(appliance)
    return {
        "extent": dataclasses.asdict(extent),
        "journeys": [dataclasses.asdict(j) for j in journeys],
        "summary": summary(journeys),
        "long_journey": dataclasses.asdict(long_journey),
        "peak_rss_mib": memory,
    }


def summary(journeys: list[Journey]) -> dict[str, Any]:
    """p50, p95 and max of each interval, and how many pages came early."""

    def over(pick: Callable[[Journey], float | None]) -> dict[str, float] | None:
        values = [value for journey in journeys if (value := pick(journey)) is not None]
        return spread(values) if values else None

    bleeds = [j for j in journeys if j.outcome == OutcomeKind.FINDING]
    early = [j for j in bleeds if (j.last_slice_to_preliminary_s or 0.0) < 0]
    return {
        "last slice to CONFIRMED page": over(lambda j: j.last_slice_to_confirmed_s),
        "last slice to the result of a finding": over(lambda j: _result(j, OutcomeKind.FINDING)),
        'last slice to "no finding", quiet included': over(lambda j: _result(j, OutcomeKind.NO_FINDING)),
        "first slice with blood to PRELIMINARY page": over(lambda j: j.first_blood_to_preliminary_s),
        "bleeds": len(bleeds),
        "preliminary_before_last_slice": len(early),
        "degraded": sum(j.degraded for j in journeys),
    }


def _result(journey: Journey, outcome: OutcomeKind) -> float | None:
    return journey.last_slice_to_result_s if journey.outcome == outcome else None


def table(result: dict[str, Any]) -> str:
    """Markdown of what `run` returned."""
    said, extent, memory = result["summary"], result["extent"], result["peak_rss_mib"]
    rows = [
        [name, str(figures["n"]), *(f"{figures[key]:.3f}" for key in ("p50", "p95", "max"))]
        for name, figures in said.items()
        if isinstance(figures, dict)
    ]
    latency = markdown(("seconds, slices stored to page received", "series", "p50", "p95", "max"), rows)
    programs = list(memory["after_series"])
    peaks = markdown(
        ("peak RSS, MiB", *programs),
        [
            [f"after {extent['series']} series of {_SLICES}", *_cells(memory["after_series"], programs)],
            [f"and one of {extent['long_slices']}", *_cells(memory["after_long_series"], programs)],
        ],
    )
    return (
        f"{latency}\n\nPRELIMINARY page before the last slice: {said['preliminary_before_last_slice']} of "
        f"{said['bleeds']} bleeds, at {extent['slices_per_s']:g} slices/s. "
        f"Judged by the fallback and not by Triton: {said['degraded']} of {extent['series']}.\n\n{peaks}\n\n"
        f"The long series came at {extent['long_slices_per_s']:g} slices/s; its final word "
        f"{result['long_journey']['last_slice_to_result_s']:.3f} s after its last slice."
    )


def _cells(peaks: dict[str, float], programs: list[str]) -> list[str]:
    return [f"{peaks[program]:.0f}" for program in programs]


def _head(seed: int, *bleeds: Bleed) -> Head:
    phantom = head_phantom(seed, bleeds=bleeds)
    has_blood = phantom.labels_zyx.any(axis=(1, 2))
    return Head(phantom, int(has_blood.argmax()) if bleeds else None)


def _stretched(head: Head, slices: int) -> Head:
    """The same head in more and thinner slices, each a copy of the nearest one there is."""
    phantom = head.phantom
    places = np.linspace(0, len(phantom.voxels_zyx_hu) - 1, slices)
    spacing_mm = phantom.acquisition.spacing_mm * float(places[1])
    nearest, known = places.round().astype(int), np.arange(len(phantom.voxels_zyx_hu))
    positions = [np.interp(places, known, axis) for axis in phantom.image_positions_lps_mm.T]
    acquisition = dataclasses.replace(
        phantom.acquisition, slices=slices, spacing_mm=spacing_mm, slice_thickness_mm=max(0.6, spacing_mm)
    )
    stretched = dataclasses.replace(
        phantom,
        voxels_zyx_hu=phantom.voxels_zyx_hu[nearest],
        labels_zyx=phantom.labels_zyx[nearest],
        image_positions_lps_mm=np.stack(positions, axis=1),
        acquisition=acquisition,
    )
    return Head(stretched, int(stretched.labels_zyx.any(axis=(1, 2)).argmax()))


def _journey(appliance: Appliance, head: Head, folder: Path, slices_per_s: float) -> Journey:
    series_files(head.phantom, folder, str(uuid.uuid4()))
    os.sync()
    dicom = appliance.settings.dicom
    report = send(
        SendPlan(
            sources=(FolderSource(folder),),
            host=dicom.host,
            port=dicom.port,
            called_ae_title=AETitle(dicom.ae_title),
            calling_ae_title=AETitle("CT_ER_1"),
            slices_per_s=slices_per_s,
        ),
        clock=SystemClock(),
    )
    shutil.rmtree(folder)
    heard = _Heard.until_the_end(appliance)
    if heard.result.outcome is not head.outcome:
        raise RuntimeError(
            f"a series that is {head.outcome} ended as {heard.result.outcome}: "
            f"{heard.result.reason} {heard.result.detail}"
        )
    last = report.instances[-1].answered_utc
    blood = None if head.first_blood is None else report.instances[head.first_blood].answered_utc
    preliminary = heard.pages.get(AlertStatus.PRELIMINARY)
    return Journey(
        outcome=str(heard.result.outcome),
        degraded=heard.result.degraded,
        last_slice_to_result_s=(heard.result_at - last).total_seconds(),
        last_slice_to_confirmed_s=_seconds(last, heard.pages.get(AlertStatus.CONFIRMED)),
        first_blood_to_preliminary_s=None if blood is None else _seconds(blood, preliminary),
        last_slice_to_preliminary_s=_seconds(last, preliminary),
    )


def _seconds(since: datetime, at: datetime | None) -> float | None:
    return None if at is None else (at - since).total_seconds()


@dataclass(frozen=True)
class _Heard:
    """What the subscriber received about one series; `pages` has the first of each status."""

    result: ResultMessage
    result_at: datetime
    pages: dict[AlertStatus, datetime]

    @classmethod
    def until_the_end(cls, appliance: Appliance) -> _Heard:
        """Until the result, and the CONFIRMED page where there is a finding; one series at a time."""
        token = ""
        pages: dict[AlertStatus, datetime] = {}
        result: tuple[ResultMessage, datetime] | None = None
        deadline = time.monotonic() + _PATIENCE_S
        while result is None or (result[0].findings and AlertStatus.CONFIRMED not in pages):
            came = appliance.pager.subscriber.receive(0.5)
            if time.monotonic() > deadline:
                said = "no result" if result is None else f"{result[0].outcome} without a CONFIRMED page"
                raise RuntimeError(f"{said} within {_PATIENCE_S:.0f} s of the last slice")
            if came is None or not isinstance(came.message, AlertMessage | ResultMessage):
                continue
            message, token = came.message, token or came.message.series_token
            if message.series_token != token:
                raise RuntimeError("a message of another series came in between: no figure for that")
            if isinstance(message, ResultMessage):
                result = (message, came.at)
            else:
                pages.setdefault(message.status, came.at)
        return cls(*result, pages)


def _memory(appliance: Appliance) -> dict[str, float]:
    """MiB by program; each of ours has written its process id into its lock."""
    state = appliance.state_dir
    files = {"receiver": "receiver.lock", "agent": "agent.lock", "Triton and stub": "triton.pid"}
    return {name: peak_rss_mib(int((state / file).read_text())) for name, file in files.items()}

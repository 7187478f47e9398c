"""A canary goes the way of every head, flagged as a test, and hides nothing."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace

from prometheus_client import generate_latest

from edge.domain.canary import canary_instance, canary_series
from edge.domain.outcome import OutcomeKind
from edge.mqtt.drafts import summarise
from edge.telemetry.emit import Emitter
from edge.telemetry.events import SeriesSettled
from tests.fakes.scanner_room import HEAD, KEY, ScannerRoom
from tests.fakes.virtual_time import run_in_virtual_time

SERIES = canary_series(KEY, 4711)
CANARY = [
    replace(one, series_instance_uid=SERIES, sop_instance_uid=canary_instance(KEY, SERIES, n))
    for n, one in enumerate(HEAD)
]
STRANGERS = [replace(one, series_instance_uid=SERIES) for one in HEAD]
BLOOD = range(10, 14)
CLINICAL = ("edge_series_", "edge_alerts_", "edge_first_slice", "edge_positive_slice", "edge_last_slice")


def in_a_loop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    @functools.wraps(test)
    def run() -> None:
        run_in_virtual_time(test())

    return run


def metrics_of(room: ScannerRoom) -> dict[str, float]:
    """Every clinical sample that is not zero."""
    emitter = Emitter("agent", "json", "error", io.StringIO())
    for happening in room.happenings:
        emitter.emit(happening)
    lines = [line for line in generate_latest(emitter.registry).decode().splitlines() if line[0] != "#"]
    samples = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return {n: v for n, v in samples.items() if n.startswith(CLINICAL) and v}


@in_a_loop
async def test_everything_that_is_said_of_it_is_flagged_and_on_its_own_topics() -> None:
    room = ScannerRoom()
    room.opens("a")
    room.sends("a", *CANARY, blood=BLOOD)
    room.releases("a")
    room.starts()
    (outcome,) = await room.until_outcomes(1)
    await room.dies()
    assert (outcome.kind, outcome.series.test) == (OutcomeKind.FINDING, True)
    messages = [pending.message for pending in room.ledger.messages.values()]
    assert len(messages) >= 2
    assert all(json.loads(m.payload)["test"] for m in messages)
    assert {m.topic.split("/", 3)[-1] for m in messages} == {"test/alert", "test/result"}
    assert {summarise(m).kind for m in messages} == {"test"}
    assert metrics_of(room) == {}


@in_a_loop
async def test_a_real_head_under_the_name_of_a_canary_is_paged_as_what_it_is() -> None:
    room = ScannerRoom()
    room.opens("a")
    room.sends("a", *CANARY[:3], *STRANGERS, blood=[i + 3 for i in BLOOD])
    room.releases("a")
    room.starts()
    outcomes = {o.series.test: o for o in await room.until_outcomes(1)}
    await room.until_heard(SeriesSettled)
    await room.dies()
    real = outcomes[False]
    assert (real.kind, real.instances) == (OutcomeKind.FINDING, len(STRANGERS))
    alerts = [json.loads(p.message.payload) for p in room.ledger.messages.values()]
    rung = [a for a in alerts if a["kind"] == "alert" and not a["test"]]
    assert rung, "it rings"
    assert metrics_of(room)['edge_series_settled_total{outcome="finding",reason="released"}'] == 1


@in_a_loop
async def test_after_a_restart_in_mid_series_it_is_still_a_canary() -> None:
    room = ScannerRoom()
    room.opens("a")
    room.sends("a", *CANARY[:20], blood=BLOOD)
    room.starts()
    await room.until_pages(1)
    await room.dies()
    room.sends("a", *CANARY[20:])
    room.releases("a")
    room.starts()
    (outcome,) = await room.until_outcomes(1)
    await room.dies()
    assert (outcome.kind, outcome.series.test, outcome.instances) == (OutcomeKind.FINDING, True, len(HEAD))
    assert len({alert_id for _, alert_id in room.pages}) == 1

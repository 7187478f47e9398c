from __future__ import annotations

import io
import json

import pytest
from prometheus_client import generate_latest

from edge.telemetry.emit import Emitter, LogFormat, event_name, happening_types
from edge.telemetry.events import (
    AlertPublished,
    BrokerConnectionChanged,
    Happening,
    InstanceDecoded,
    SeriesOpened,
    SeriesSettled,
    SlabInferred,
    TaskFailed,
    TritonHealthChanged,
)
from edge.telemetry.line_rate import PER_MINUTE
from edge.telemetry.receiver_events import AssociationEnded, ConnectionAborted
from tests.happenings import ADDRESS, ONE_OF_EACH, TITLE, TOKEN


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def lines_of(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def sample(emitter: Emitter, name: str, **labels: str) -> float | None:
    return emitter.registry.get_sample_value(name, labels)


def test_the_examples_are_one_of_each() -> None:
    assert {type(h) for h in ONE_OF_EACH} == set(happening_types())


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("happening", ONE_OF_EACH, ids=lambda h: type(h).__name__)
def test_a_happening_is_exactly_one_line(happening: Happening, log_format: LogFormat) -> None:
    stream = io.StringIO()
    Emitter("agent", log_format, "debug", stream).emit(happening)
    (line,) = lines_of(stream)
    assert event_name(type(happening)) in line


def test_json_lines_carry_name_level_role_and_fields() -> None:
    stream = io.StringIO()
    Emitter("agent", "json", "debug", stream).emit(SeriesOpened(TOKEN, 2, "er"))
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "series_opened",
        "level": "info",
        "role": "agent",
        "series": TOKEN,
        "revision": 2,
        "scanner": "er",
        "test": False,
    }


def test_auto_means_text_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        Emitter("agent", "auto", "debug", stream).emit(InstanceDecoded(0.1))
    assert not terminal.getvalue().startswith("{")
    assert json.loads(pipe.getvalue())["event"] == "instance_decoded"


def test_a_quiet_log_still_counts() -> None:
    stream = io.StringIO()
    emitter = Emitter("agent", "json", "error", stream)
    emitter.emit(InstanceDecoded(0.1))
    assert stream.getvalue() == ""
    assert sample(emitter, "edge_stage_duration_seconds_count", stage="decode") == 1


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_a_peer_said_cannot_forge_a_line_or_flood_the_log(log_format: LogFormat) -> None:
    stream = io.StringIO()
    told = "boom\n{'event': 'forged'}\r\x1b[2J\u2028" + "x" * 5000
    Emitter("agent", log_format, "debug", stream).emit(TaskFailed("journey", told))
    (line,) = lines_of(stream)
    assert len(line) < 1000
    assert not any(c in line for c in "\r\x1b\u2028")


def test_no_title_address_or_token_reaches_the_metrics() -> None:
    emitter = Emitter("agent", "json", "error", io.StringIO())
    for happening in ONE_OF_EACH:
        emitter.emit(happening)
    exposition = generate_latest(emitter.registry).decode()
    assert [secret for secret in (TITLE, TITLE.lower(), ADDRESS, TOKEN) if secret in exposition] == []


def test_a_type_nobody_filed_is_an_error() -> None:
    with pytest.raises(TypeError, match="Unfiled has no row"):
        Emitter("agent", "json", "error", io.StringIO()).emit(type("Unfiled", (), {})())


def test_a_log_that_cannot_be_written_costs_a_line_and_not_the_page() -> None:
    emitter = Emitter("agent", "json", "debug", Closed())
    emitter.emit(SlabInferred("m", 0.1, 0.2, "closing", degraded=False))
    assert sample(emitter, "edge_log_lines_lost_total") == 1
    assert sample(emitter, "edge_slabs_inferred_total", model="m", priority="closing") == 1


def test_a_published_alert_moves_only_the_ages_it_has() -> None:
    emitter = Emitter("agent", "json", "error", io.StringIO())
    emitter.emit(AlertPublished(TOKEN, "confirmed", True, 12.0, None, 0.7))
    counts = [
        sample(emitter, f"edge_{what}_slice_to_page_seconds_count", status="confirmed")
        for what in ("first", "positive", "last")
    ]
    assert counts == [1, 0, 1]
    assert sample(emitter, "edge_last_slice_to_page_seconds_bucket", status="confirmed", le="1.0") == 1
    assert sample(emitter, "edge_last_slice_to_page_seconds_bucket", status="confirmed", le="0.5") == 0
    assert sample(emitter, "edge_alerts_without_subscriber_total") == 0


def test_an_alert_without_subscriber_is_an_error_in_the_log() -> None:
    stream = io.StringIO()
    emitter = Emitter("agent", "json", "error", stream)
    emitter.emit(AlertPublished(TOKEN, "confirmed", False, None, None, 0.7))
    assert json.loads(stream.getvalue())["level"] == "error"
    assert sample(emitter, "edge_alerts_without_subscriber_total") == 1


def test_open_series_come_and_go() -> None:
    emitter = Emitter("agent", "json", "error", io.StringIO())
    for revision in (0, 0, 1):
        emitter.emit(SeriesOpened(TOKEN, revision, "er"))
    assert sample(emitter, "edge_series_open") == 2
    emitter.emit(SeriesSettled(TOKEN, 0, "no_finding", "released", 36, 0.1, 0.5, degraded=False))
    assert sample(emitter, "edge_series_open") == 1
    assert sample(emitter, "edge_series_settled_total", outcome="no_finding", reason="released") == 1


def test_states_follow_the_latest_word() -> None:
    emitter = Emitter("agent", "json", "error", io.StringIO())
    for health in ("serving", "fallback"):
        emitter.emit(TritonHealthChanged(health, "canary"))
    assert sample(emitter, "edge_triton_health", state="serving") == 0
    assert sample(emitter, "edge_triton_health", state="fallback") == 1
    emitter.emit(BrokerConnectionChanged(True, ""))
    emitter.emit(BrokerConnectionChanged(False, "keep alive"))
    assert sample(emitter, "edge_broker_connected") == 0


def test_a_receiver_does_not_claim_that_its_broker_is_away() -> None:
    receiver = Emitter("receiver", "json", "error", io.StringIO())
    assert sample(receiver, "edge_broker_connected") is None
    assert sample(receiver, "edge_slices_received_total", result="stored") == 0


def test_a_stranger_fills_the_metrics_but_not_the_log() -> None:
    stream, now = io.StringIO(), [100.0]
    emitter = Emitter("receiver", "json", "info", stream, monotonic=lambda: now[0])
    for _ in range(PER_MINUTE + 40):
        emitter.emit(ConnectionAborted("idle", ADDRESS))
    assert len(lines_of(stream)) == PER_MINUTE
    assert sample(emitter, "edge_connections_aborted_total", reason="idle") == PER_MINUTE + 40
    emitter.emit(SeriesOpened(TOKEN, 1, "er"))  # what is no stranger's is said all the same
    assert len(lines_of(stream)) == PER_MINUTE + 1
    now[0] += 60.0
    emitter.emit(ConnectionAborted("idle", ADDRESS))
    emitter.emit(ConnectionAborted("idle", ADDRESS))
    said = [json.loads(line) for line in lines_of(stream)[-2:]]
    assert [line.get("lines_left_out") for line in said] == [40, None]


def test_a_flood_of_accepted_ones_hides_no_warning() -> None:
    stream = io.StringIO()
    emitter = Emitter("receiver", "json", "info", stream, monotonic=lambda: 0.0)
    for _ in range(2 * PER_MINUTE):
        emitter.emit(AssociationEnded("released", "", 4))
    emitter.emit(AssociationEnded("aborted", "peer_abort", 4))
    assert json.loads(lines_of(stream)[-1])["level"] == "warning"

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.alert_ports import MessageSummary
from edge.domain.alert import AlertStatus
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID
from edge.domain.outcome import OutcomeKind
from edge.mqtt.drafts import AlertMessages, Progress, payload_of, summarise
from edge.mqtt.message import ANY_MESSAGE, AlertMessage, ResultMessage, StatusMessage
from edge.mqtt.schema_export import ROOM, documents, text_of
from edge.mqtt.subscriber import format_page
from edge.settings import Settings
from tests.fakes.clock import FakeClock
from tests.statements import AT, FINDING, alert, outcome, reference

MESSAGES = AlertMessages(Settings())
UIDS = st.lists(st.integers(1, 10**9), min_size=4, max_size=8).map(
    lambda numbers: "1.2.840." + ".".join(map(str, numbers))
)
SECRETS = st.tuples(UIDS, st.lists(UIDS, min_size=1, max_size=5))


@given(SECRETS)
def test_no_dicom_uid_of_alert_or_outcome_gets_into_message_key_or_topic(
    secrets: tuple[str, list[str]],
) -> None:
    series, instances = secrets
    uids = tuple(SopInstanceUID(i) for i in instances)
    finding = replace(FINDING, slices=uids, key_slice=uids[0])
    where = replace(reference(), series_instance_uid=SeriesInstanceUID(series))
    said = [
        MESSAGES.alert(replace(alert(), finding=finding, series=where)).encode(7),
        MESSAGES.result(replace(outcome(), outcome_id="0c0e", findings=(finding,), series=where)).encode(8),
    ]
    for message in said:
        wire = f"{message.key} {message.topic} {message.response_topic} {message.payload.decode()}"
        assert not [uid for uid in (series, *instances) if uid in wire]


def test_no_message_has_a_field_that_could_hold_who_the_patient_is() -> None:
    def names(schema: object) -> set[str]:
        if isinstance(schema, dict):
            own = set(schema.get("properties", {}))
            return own.union(*(names(v) for v in schema.values()))
        return set[str]().union(*(names(v) for v in schema)) if isinstance(schema, list) else set()

    known = {
        name for path, schema in documents().items() if path != "asyncapi.json" for name in names(schema)
    }
    assert "accession_token" in known
    assert not {n for n in known if "uid" in n or "patient" in n or "birth" in n or n == "accession_number"}


def test_an_alert_says_everything_a_consumer_was_promised() -> None:
    draft = MESSAGES.alert(alert(AlertStatus.CONFIRMED, revision=1))
    message = draft.encode(41)
    assert draft.key == message.key == "a1:confirmed:1:5e71e5"
    assert (message.topic, message.response_topic) == ("edge/v1/edge-1/alert/critical", "edge/v1/edge-1/ack")
    assert (message.content_type, message.retain, message.expiry_s) == ("application/json", False, 86400)
    assert json.loads(message.payload) == {
        "schema_version": "1.0",
        "kind": "alert",
        "appliance": "edge-1",
        "notice": "research use, not for clinical use",
        "test": False,
        "sequence": 41,
        "series_token": "5e71e5",
        "study_token": "57d9",
        "accession_token": "acce55",
        "scanner": "CT ER",
        "revision": 1,
        "predecessor": "outcome-1.2.3-0",
        "model": {"name": "ct_head_hyperdensity", "version": "1", "digest": "ab" * 32},
        "degraded": False,
        "alert_id": "a1",
        "status": "confirmed",
        "urgency": "critical",
        "finding": {
            "key": "bleed",
            "code": "1386000",
            "scheme": "SCT",
            "meaning": "Intracranial hemorrhage",
            "urgency": "critical",
            "level": "page",
            "probability": 0.93,
            "volume_ml": 11.5,
            "slices": 3,
            "side": "left",
            "run": {"first": 5, "last": 7, "largest": 6, "largest_area_mm2": 310.0, "total": 36},
        },
        "timings": {
            "first_slice_received_at": "2024-05-01T03:00:00.250Z",
            "first_positive_slice_received_at": "2024-05-01T03:00:03.250Z",
            "last_slice_received_at": "2024-05-01T03:00:07.250Z",
            "detected_at": "2024-05-01T03:00:04.250Z",
        },
        "demoted": "",
        "held": "",
        "rings": True,
        "escalation": None,
    }


def test_a_result_says_which_slices_to_look_at_and_a_finding_without_any_says_none() -> None:
    gone = replace(FINDING, slices=(), area_mm2=0.0, places=None)
    message = MESSAGES.result(replace(outcome(), findings=(FINDING, gone))).encode(3)
    found, left = json.loads(message.payload)["findings"]
    assert found["run"] == {"first": 5, "last": 7, "largest": 6, "largest_area_mm2": 310.0, "total": 36}
    assert left["run"] is None


def test_a_page_of_an_appliance_that_does_not_tell_the_slices_yet_is_read() -> None:
    payload = json.loads(MESSAGES.alert(alert()).encode(1).payload)
    del payload["finding"]["run"]
    words = ANY_MESSAGE.validate_python(payload)
    assert isinstance(words, AlertMessage)
    assert words.finding.run is None
    assert "11.5 mL on 3 slices\n" in format_page(words)


@pytest.mark.parametrize("kind", OutcomeKind)
def test_every_kind_of_end_has_its_words(kind: OutcomeKind) -> None:
    message = MESSAGES.result(outcome(kind=kind)).encode(3)
    words = ANY_MESSAGE.validate_json(message.payload)
    assert isinstance(words, ResultMessage)
    assert (words.outcome, words.reason, words.detail, words.instances) == (kind, "released", "36 slices", 36)
    assert message.key == words.outcome_id
    assert message.topic == "edge/v1/edge-1/result"


def test_a_draft_encodes_to_the_same_bytes_every_time() -> None:
    assert MESSAGES.alert(alert()).encode(5) == MESSAGES.alert(alert()).encode(5)


def test_numbers_are_rounded_and_a_float32_a_hair_above_one_is_one() -> None:
    finding = replace(FINDING, probability=float(np.nextafter(np.float32(1), np.float32(2))), volume_ml=1 / 3)
    message = MESSAGES.alert(replace(alert(), finding=finding)).message
    assert isinstance(message, AlertMessage)
    assert (message.finding.probability, message.finding.volume_ml) == (1.0, 0.3)


@pytest.mark.parametrize("probability", [float("nan"), float("inf"), 1.2, -0.1])
def test_a_probability_that_is_none_is_refused_before_the_outbox_sees_it(probability: float) -> None:
    with pytest.raises(ValidationError, match="probability"):
        MESSAGES.alert(replace(alert(), finding=replace(FINDING, probability=probability)))


def test_times_are_said_in_utc_whatever_zone_they_came_in() -> None:
    tokyo = AT.astimezone(timezone(timedelta(hours=9)))
    message = MESSAGES.alert(replace(alert(), timings=replace(alert().timings, detected_at=tokyo))).encode(1)
    assert json.loads(message.payload)["timings"]["detected_at"] == "2024-05-01T03:00:00.250Z"


def test_a_time_without_zone_is_refused() -> None:
    naive = AT.replace(tzinfo=None)
    with pytest.raises(ValidationError, match="timezone"):
        MESSAGES.alert(replace(alert(), timings=replace(alert().timings, detected_at=naive)))


def test_a_consumer_of_version_1_reads_over_what_a_later_one_adds() -> None:
    payload = json.loads(MESSAGES.alert(alert()).encode(1).payload)
    assert ANY_MESSAGE.validate_python({**payload, "colour": "red"}) == ANY_MESSAGE.validate_python(payload)


def test_presence_is_retained_and_the_will_claims_no_time_it_cannot_know() -> None:
    clock = FakeClock()
    presence = MESSAGES.presence(clock)
    clock.advance(60)
    said = [
        ANY_MESSAGE.validate_json(m.payload) for m in (presence.online, presence.offline(), presence.will)
    ]
    assert all(m.retain for m in (presence.online, presence.will))
    assert [(m.status, m.reason, m.since) for m in said if isinstance(m, StatusMessage)] == [
        ("online", "", clock.utc() - timedelta(seconds=60)),
        ("offline", "closed", clock.utc()),
        ("offline", "connection_lost", None),
    ]


def test_a_heartbeat_carries_progress_and_outdates_itself() -> None:
    progress = Progress(
        *(90, 36, 34, 1, 0, None, "serving", ("overloaded",), 41.5),
        messages_published=7,
        proven_page_age_s=61.5,
        canary="proven",
    )
    message = MESSAGES.heartbeat(AT, progress)
    assert (message.topic, message.expiry_s, message.retain) == ("edge/v1/edge-1/heartbeat", 30, False)
    assert json.loads(message.payload) == {
        "schema_version": "1.0",
        "kind": "heartbeat",
        "appliance": "edge-1",
        "at": "2024-05-01T03:00:00.250Z",
        "journal_sequence": 90,
        "slices_decoded": 36,
        "slabs_inferred": 34,
        "series_open": 1,
        "outbox_depth": 0,
        "last_outcome_age_s": None,
        "messages_published": 7,
        "proven_page_age_s": 61.5,
        "canary": "proven",
        "clock_synchronised": None,
        "clock_drift_s": 0.0,
        "triton": "serving",
        "modes": ["overloaded"],
        "inference_wait_s": 41.5,
        "quiet": [],
        "held": 0,
    }


def test_a_summary_is_read_back_from_the_bytes() -> None:
    timings = alert().timings
    assert summarise(MESSAGES.alert(alert(AlertStatus.CONFIRMED)).encode(1)) == MessageSummary(
        kind="alert",
        alert="a1",
        status="confirmed",
        first_slice_received_at=timings.first_slice_received_at,
        first_positive_slice_received_at=timings.first_positive_slice_received_at,
        last_slice_received_at=timings.last_slice_received_at,
    )
    assert summarise(MESSAGES.alert(alert(AlertStatus.PRELIMINARY)).encode(1)).last_slice_received_at is None
    assert summarise(MESSAGES.result(outcome()).encode(2)) == MessageSummary(kind="result")
    foreign = replace(MESSAGES.result(outcome()).encode(2), payload=b'{"kind": "v0"}')
    assert summarise(foreign) == MessageSummary(kind="unreadable")


def test_committed_schemas_are_what_the_messages_generate() -> None:
    generated = {path: text_of(document) for path, document in documents().items()}
    committed = {str(p.relative_to(ROOM)): p.read_text("utf-8") for p in sorted(ROOM.rglob("*.json"))}
    assert committed == generated, "run: python -m edge.mqtt.schema_export"


def test_asyncapi_refers_only_to_what_exists() -> None:
    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            here = [node["$ref"]] if "$ref" in node else []
            return here + [r for v in node.values() for r in references(v)]
        return [r for v in node for r in references(v)] if isinstance(node, list) else []

    document = documents()["asyncapi.json"]
    found = references(document)
    assert found
    for reference_ in found:
        if reference_.startswith("./"):
            assert (ROOM / reference_).is_file(), reference_
            continue
        node: object = document
        for step in reference_.removeprefix("#/").split("/"):
            assert isinstance(node, dict)
            node = node[step]


RUN = " (5 to 7 of 36 from the feet)"


def test_a_page_fits_two_lines_and_says_test_and_degraded_first() -> None:
    draft = MESSAGES.alert(replace(alert(), degraded=True))
    assert isinstance(draft.message, AlertMessage)
    assert format_page(draft.message.model_copy(update={"test": True})) == (
        "[TEST] [DEGRADED] CRITICAL PRELIMINARY "
        f"Intracranial hemorrhage left, p 0.93, 11.5 mL on 3 slices{RUN}\n"
        "  CT ER, accession acce55, revision 0, alert a1"
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (OutcomeKind.NO_FINDING, "RESULT no finding: 36 slices"),
        (
            OutcomeKind.FINDING,
            f"RESULT finding: Intracranial hemorrhage left, p 0.93, 11.5 mL on 3 slices{RUN}",
        ),
    ],
)
def test_a_result_is_said_in_one_line_and_its_place(kind: OutcomeKind, words: str) -> None:
    message = MESSAGES.result(outcome(kind=kind)).message
    assert isinstance(message, ResultMessage)
    assert format_page(message) == f"{words}\n  CT ER, accession acce55, revision 0"
    assert payload_of(message) == MESSAGES.result(outcome(kind=kind)).encode(1).payload

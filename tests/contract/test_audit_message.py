"""Audit messages against the schema of PS3.15 A.5.1 and the tables of A.5.3, and what they do not say."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from edge.audit.message import Source, Writer
from edge.audit.syslog import frame, syslog_message
from edge.domain.audit import (
    Alarm,
    ApplicationActivity,
    AuditRecord,
    Indicator,
    InstancesTransferred,
    SecurityAlert,
)
from edge.domain.identity import token

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("audit_message.rng")))
AT = datetime(2026, 11, 27, 3, 4, 5, 678_901, tzinfo=UTC)
SOURCE = Source("er-1", "General Hospital", "EDGE", "box.hospital.example")
STUDY, PATIENT, ACCESSION = "1.2.840.99.7", "PAT-4711", "ACC-0815"
CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.67"
TRANSFER = InstancesTransferred(
    at=AT,
    calling_ae_title="CT_ER_1",
    called_ae_title="EDGE",
    peer_address="192.0.2.17",
    known=False,
    indicator=Indicator.SUCCESS,
    description="",
    study_instance_uid=STUDY,
    patient_id=PATIENT,
    accession_number=ACCESSION,
    instances_by_class={CT: 36, SR: 1},
)


def writer(*, identifiers: bool = False) -> Writer:
    return Writer(SOURCE, lambda kind, name: token(b"k" * 32, kind, name), identifiers=identifiers)


def message(record: AuditRecord, *, identifiers: bool = False) -> etree._Element:
    root = etree.fromstring(writer(identifiers=identifiers).xml(record))
    assert SCHEMA.validate(root), SCHEMA.error_log
    return root


def code(element: etree._Element | None) -> tuple[str | None, str | None, str | None]:
    assert element is not None
    return element.get("csd-code"), element.get("codeSystemName"), element.get("originalText")


@pytest.mark.parametrize(
    ("starts", "type_code"),
    [(True, ("110120", "DCM", "Application Start")), (False, ("110121", "DCM", "Application Stop"))],
)
def test_application_activity_is_as_in_a_5_3_1(starts: bool, type_code: tuple[str, str, str]) -> None:
    root = message(ApplicationActivity(AT, "receiver", starts=starts))
    event = root.find("EventIdentification")
    assert event is not None
    assert event.get("EventDateTime") == "2026-11-27T03:04:05.678Z"
    assert (event.get("EventActionCode"), event.get("EventOutcomeIndicator")) == ("E", "0")
    assert code(event.find("EventID")) == ("110100", "DCM", "Application Activity")
    assert code(event.find("EventTypeCode")) == type_code
    (application,) = root.findall("ActiveParticipant")
    assert application.get("UserID") == "er-1:receiver"
    assert application.get("AlternativeUserID") == "AETITLES=EDGE"
    assert application.get("UserIsRequestor") == "false"
    assert code(application.find("RoleIDCode")) == ("110150", "DCM", "Application")
    source = root.find("AuditSourceIdentification")
    assert source is not None
    assert (source.get("AuditSourceID"), source.get("AuditEnterpriseSiteID")) == ("er-1", "General Hospital")
    assert root.findall("ParticipantObjectIdentification") == []


def test_instances_transferred_is_as_in_a_5_3_7() -> None:
    root = message(TRANSFER)
    event = root.find("EventIdentification")
    assert event is not None
    assert code(event.find("EventID")) == ("110104", "DCM", "DICOM Instances Transferred")
    assert (event.get("EventActionCode"), event.get("EventOutcomeIndicator")) == ("C", "0")
    sender, receiver = root.findall("ActiveParticipant")
    assert code(sender.find("RoleIDCode")) == ("110153", "DCM", "Source Role ID")
    assert (sender.get("UserID"), sender.get("UserIsRequestor")) == ("CT_ER_1", "true")
    assert (sender.get("NetworkAccessPointID"), sender.get("NetworkAccessPointTypeCode")) == (
        "192.0.2.17",
        "2",
    )
    assert code(receiver.find("RoleIDCode")) == ("110152", "DCM", "Destination Role ID")
    assert receiver.get("UserIsRequestor") == "false"
    study, patient = root.findall("ParticipantObjectIdentification")
    assert (study.get("ParticipantObjectTypeCode"), study.get("ParticipantObjectTypeCodeRole")) == ("2", "3")
    assert code(study.find("ParticipantObjectIDTypeCode")) == ("110180", "DCM", "Study Instance UID")
    counts = {e.get("UID"): e.get("NumberOfInstances") for e in study.iter("SOPClass")}
    assert counts == {CT: "36", SR: "1"}
    assert (patient.get("ParticipantObjectTypeCode"), patient.get("ParticipantObjectTypeCodeRole")) == (
        "1",
        "1",
    )
    assert code(patient.find("ParticipantObjectIDTypeCode")) == ("2", "RFC-3881", "Patient Number")


def test_security_alert_is_as_in_a_5_3_11() -> None:
    alert = SecurityAlert(AT, Alarm.NODE_AUTHENTICATION, Indicator.MINOR, "TLS: <unknown & ca>", "192.0.2.66")
    root = message(alert)
    event = root.find("EventIdentification")
    assert event is not None
    assert code(event.find("EventID")) == ("110113", "DCM", "Security Alert")
    assert code(event.find("EventTypeCode")) == ("110126", "DCM", "Node Authentication")
    assert (event.get("EventActionCode"), event.get("EventOutcomeIndicator")) == ("E", "4")
    (subject,) = root.findall("ParticipantObjectIdentification")
    assert subject.get("ParticipantObjectID") == "192.0.2.66"
    assert code(subject.find("ParticipantObjectIDTypeCode")) == ("110182", "DCM", "Node ID")
    detail = subject.find("ParticipantObjectDetail")
    assert detail is not None
    assert detail.get("type") == "Alert Description"
    assert base64.b64decode(detail.get("value") or "").decode() == "TLS: <unknown & ca>"


def test_without_identifiers_tokens_stand_for_study_patient_and_accession() -> None:
    text = writer().xml(TRANSFER).decode()
    assert not [name for name in (STUDY, PATIENT, ACCESSION) if name in text]
    root = message(TRANSFER)
    study, patient = root.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == token(b"k" * 32, "study", STUDY)
    assert patient.get("ParticipantObjectID") == token(b"k" * 32, "patient", PATIENT)
    assert study.findtext("ParticipantObjectDescription/Anonymized") == "true"


def test_with_identifiers_they_are_written_out() -> None:
    root = message(TRANSFER, identifiers=True)
    study, patient = root.findall("ParticipantObjectIdentification")
    assert (study.get("ParticipantObjectID"), patient.get("ParticipantObjectID")) == (STUDY, PATIENT)
    accession = study.find("ParticipantObjectDescription/Accession")
    assert accession is not None
    assert accession.get("Number") == ACCESSION


ANY_TEXT = st.text(max_size=40)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.booleans())
def test_whatever_a_sender_calls_itself_the_message_stays_valid(
    title: str, reason: str, patient: str, identifiers: bool
) -> None:
    record = replace(TRANSFER, calling_ae_title=title, description=reason, patient_id=patient)
    assert b"\n" not in writer(identifiers=identifiers).xml(record)
    message(record, identifiers=identifiers)
    message(SecurityAlert(AT, Alarm.RESTRICTED_FUNCTION, Indicator.MINOR, reason, title))


def test_the_frame_is_that_of_rfc_5425_around_the_message_of_rfc_5424() -> None:
    said = syslog_message(b"<AuditMessage/>", AT, "box of\ttests", 42)
    head = b"<85>1 2026-11-27T03:04:05.678Z boxoftests edge 42 DICOM+RFC3881 - \xef\xbb\xbf"
    assert said == head + b"<AuditMessage/>"
    assert frame(said) == b"%d " % len(said) + said


def test_the_schema_refuses_what_is_none_of_it() -> None:
    root = etree.fromstring(writer().xml(TRANSFER))
    root.remove(root.find("AuditSourceIdentification"))  # type: ignore[arg-type]
    assert not SCHEMA.validate(root)
    root = etree.fromstring(writer().xml(TRANSFER))
    root[0].set("EventOutcomeIndicator", "5")
    assert not SCHEMA.validate(root)

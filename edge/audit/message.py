"""Audit records as XML of the schema in PS3.15 A.5.1; identifiers are tokens unless the site wants them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from edge.domain.audit import (
    Alarm,
    ApplicationActivity,
    AuditRecord,
    Indicator,
    InstancesTransferred,
    SecurityAlert,
)

# AuditSourceTypeCode: application server process (A.5.1.2.1).
_APPLICATION_SERVER = "4"
_PERSON, _SYSTEM_OBJECT = "1", "2"
_PATIENT, _REPORT, _SECURITY_RESOURCE = "1", "3", "13"
_MACHINE_NAME, _IP_ADDRESS = "1", "2"
_DCM = "DCM"
_MEANING = {
    Alarm.NODE_AUTHENTICATION: "Node Authentication",
    Alarm.SECURITY_CONFIGURATION: "Security Configuration",
    Alarm.SOFTWARE_CONFIGURATION: "Software Configuration",
    Alarm.RESTRICTED_FUNCTION: "Use of Restricted Function",
    Alarm.RECORDING_STOPPED: "Audit Recording Stopped",
}
UNKNOWN = "unknown"
# What XML 1.0 cannot hold (2.2, Char), and line ends; a Patient ID may have been typed with any of it.
_FORBIDDEN = re.compile("[^\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Source:
    """Who reports: the appliance, its site if it has one, its AE title and the name of its machine."""

    appliance: str
    site: str
    ae_title: str
    host: str


@dataclass(frozen=True, slots=True)
class Writer:
    """`token` stands for an identifier, given what it is of; with `identifiers` they are written out."""

    source: Source
    token: Callable[[str, str], str]
    identifiers: bool

    def xml(self, record: AuditRecord) -> bytes:
        """UTF-8, on one line, without an XML declaration."""
        root = Element("AuditMessage")
        match record:
            case ApplicationActivity():
                self._activity(root, record)
            case InstancesTransferred():
                self._transferred(root, record)
            case SecurityAlert():
                self._alert(root, record)
        for element in root.iter():
            element.text = element.text and _FORBIDDEN.sub("?", element.text)
            for name, value in element.attrib.items():
                element.set(name, _FORBIDDEN.sub("?", value))
        return tostring(root, encoding="utf-8", xml_declaration=False)

    def _activity(self, root: Element, record: ApplicationActivity) -> None:
        event = _event(root, "110100", "Application Activity", "E", record.at, Indicator.SUCCESS)
        started = ("110120", "Application Start") if record.starts else ("110121", "Application Stop")
        _coded(event, "EventTypeCode", *started)
        self._ourselves(root, record.role, ("110150", "Application"))
        self._reported(root)

    def _transferred(self, root: Element, record: InstancesTransferred) -> None:
        action = "R" if record.known else "C"
        event = _event(root, "110104", "DICOM Instances Transferred", action, record.at, record.indicator)
        if record.description:
            SubElement(event, "EventOutcomeDescription").text = record.description
        sender = SubElement(root, "ActiveParticipant", _participant(record.calling_ae_title, "true"))
        _coded(sender, "RoleIDCode", "110153", "Source Role ID")
        if record.peer_address:
            sender.set("NetworkAccessPointID", record.peer_address)
            sender.set("NetworkAccessPointTypeCode", _IP_ADDRESS)
        self._ourselves(root, "receiver", ("110152", "Destination Role ID"), record.called_ae_title)
        self._reported(root)
        self._study(root, record)
        self._patient(root, record)

    def _study(self, root: Element, record: InstancesTransferred) -> None:
        uid = self._name("study", record.study_instance_uid)
        given = _object(root, uid, _SYSTEM_OBJECT, _REPORT, ("110180", _DCM, "Study Instance UID"))
        described = SubElement(given, "ParticipantObjectDescription")
        if record.accession_number:
            SubElement(described, "Accession", Number=self._name("accession", record.accession_number))
        for sop_class, count in sorted(record.instances_by_class.items()):
            SubElement(described, "SOPClass", UID=sop_class, NumberOfInstances=str(count))
        SubElement(described, "Anonymized").text = "false" if self.identifiers else "true"

    def _patient(self, root: Element, record: InstancesTransferred) -> None:
        name = self._name("patient", record.patient_id)
        _object(root, name, _PERSON, _PATIENT, ("2", "RFC-3881", "Patient Number"))

    def _alert(self, root: Element, record: SecurityAlert) -> None:
        event = _event(root, "110113", "Security Alert", "E", record.at, record.indicator)
        _coded(event, "EventTypeCode", record.alarm, _MEANING[record.alarm])
        self._ourselves(root, "security", ("110150", "Application"))
        self._reported(root)
        node = record.node or self.source.host
        kind = ("110182", _DCM, "Node ID")
        subject = _object(root, node, _SYSTEM_OBJECT, _SECURITY_RESOURCE, kind)
        said = base64.b64encode(record.description.encode()).decode("ascii")
        SubElement(subject, "ParticipantObjectDetail", type="Alert Description", value=said)

    def _ourselves(self, root: Element, role: str, code: tuple[str, str], title: str = "") -> None:
        named = _participant(f"{self.source.appliance}:{role}", "false", title or self.source.ae_title)
        ours = SubElement(root, "ActiveParticipant", named)
        _coded(ours, "RoleIDCode", *code)
        ours.set("NetworkAccessPointID", self.source.host)
        ours.set("NetworkAccessPointTypeCode", _MACHINE_NAME)

    def _reported(self, root: Element) -> None:
        source = SubElement(root, "AuditSourceIdentification", AuditSourceID=self.source.appliance)
        if self.source.site:
            source.set("AuditEnterpriseSiteID", self.source.site)
        SubElement(source, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})

    def _name(self, kind: str, identifier: str) -> str:
        if not identifier:
            return UNKNOWN
        return identifier if self.identifiers else self.token(kind, identifier)


def _event(
    root: Element, code: str, meaning: str, action: str, at: datetime, indicator: Indicator
) -> Element:
    said = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    given = {"EventActionCode": action, "EventDateTime": said, "EventOutcomeIndicator": indicator.value}
    event = SubElement(root, "EventIdentification", given)
    _coded(event, "EventID", code, meaning)
    return event


def _coded(parent: Element, name: str, code: str, meaning: str, scheme: str = _DCM) -> None:
    given = {"csd-code": str(code), "codeSystemName": scheme, "originalText": meaning}
    SubElement(parent, name, given)


def _participant(user: str, requests: str, title: str = "") -> dict[str, str]:
    """A.5.2.2: AE titles are alternative user IDs."""
    return {"UserID": user, "AlternativeUserID": f"AETITLES={title or user}", "UserIsRequestor": requests}


def _object(root: Element, name: str, kind: str, role: str, coded: tuple[str, str, str]) -> Element:
    given = {"ParticipantObjectID": name, "ParticipantObjectTypeCode": kind}
    made = SubElement(
        root, "ParticipantObjectIdentification", given | {"ParticipantObjectTypeCodeRole": role}
    )
    code, scheme, meaning = coded
    _coded(made, "ParticipantObjectIDTypeCode", code, meaning, scheme)
    # The schema wants a name or a query; the name is what it is known by, never a person's.
    SubElement(made, "ParticipantObjectName").text = name
    return made

"""What is told to the site's audit repository (PS3.15 A.5.3), before it is XML; no names of patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Indicator(StrEnum):
    """EventOutcomeIndicator; for a security alert: how grave it is, MINOR where it was warded off."""

    SUCCESS = "0"
    MINOR = "4"
    SERIOUS = "8"
    MAJOR = "12"


class Alarm(StrEnum):
    """EventTypeCode of a security alert (PS3.16 CID 403), as far as we have reason to raise it."""

    NODE_AUTHENTICATION = "110126"
    SECURITY_CONFIGURATION = "110129"
    SOFTWARE_CONFIGURATION = "110131"
    RESTRICTED_FUNCTION = "110132"
    RECORDING_STOPPED = "110133"


@dataclass(frozen=True, slots=True)
class ApplicationActivity:
    """A program of ours has started, or is about to stop (A.5.3.1)."""

    at: datetime
    role: str
    starts: bool


@dataclass(frozen=True, slots=True)
class InstancesTransferred:
    """What one association brought of one study (A.5.3.7).

    `known` when all of it was here before; identifiers are those of the data set, "" where it has none.
    """

    at: datetime
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    known: bool
    indicator: Indicator
    description: str
    study_instance_uid: str
    patient_id: str = field(repr=False)
    accession_number: str = field(repr=False)
    instances_by_class: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SecurityAlert:
    """Something that whoever guards the network should know (A.5.3.11); `node` is an address, or ""."""

    at: datetime
    alarm: Alarm
    indicator: Indicator
    description: str
    node: str = ""


AuditRecord = ApplicationActivity | InstancesTransferred | SecurityAlert

"""What happens on the DICOM port; see events.py, where every other happening is and all are listed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AssociationAccepted:
    calling_ae_title: str
    peer_address: str


@dataclass(frozen=True, slots=True)
class AssociationRejected:
    """`reason` is the reject reason of PS3.8 table 9-21 in snake_case; `mismatch` what dicom.peers missed."""

    reason: str
    peer_address: str
    mismatch: str = ""


@dataclass(frozen=True, slots=True)
class AssociationEnded:
    """`how` is released or aborted; `reason` empty for a release."""

    how: str
    reason: str
    instances: int


@dataclass(frozen=True, slots=True)
class ConnectionAborted:
    """This side broke off, within an association or before there was one; `reason` is what the peer did."""

    reason: str
    peer_address: str


@dataclass(frozen=True, slots=True)
class InstanceReceived:
    """`result` is stored, duplicate or conflict; `took_s` from the last byte to the DIMSE response."""

    result: str
    size_bytes: int
    took_s: float


@dataclass(frozen=True, slots=True)
class InstanceRefused:
    """`status` is the DIMSE status in hex, `reason` in words."""

    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnnouncementKept:
    """A procedure step or availability notification is durable; `standing` as in domain.announcement."""

    standing: str
    instances: int


@dataclass(frozen=True, slots=True)
class AnnouncementRefused:
    """`status` is the DIMSE status in hex, `reason` in words."""

    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class InstancesRemoved:
    """The files of one series, as retention asked."""

    instances: int
    size_bytes: int

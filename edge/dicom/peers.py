"""The peers table: which AE title may call from where, and what certificate proves it.

AE titles are names anybody can say; a row binds one to addresses and certificates.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from edge.domain.identity import AETitle, CertificateName
from edge.peer_settings import PeerSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Mismatch(StrEnum):
    """Why no row of the table fits; on the wire all are calling-AE-title-not-recognized."""

    UNLISTED_TITLE = "unlisted_title"
    OTHER_ADDRESS = "other_address"
    OTHER_CERTIFICATE = "other_certificate"
    PLAIN_NOT_ALLOWED = "plain_not_allowed"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection: `certificate` holds its names, None on the plain port."""

    address: str
    certificate: frozenset[CertificateName] | None = None


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One row; no `networks` means any address, no `certificates` means the plain port only."""

    title: AETitle
    networks: tuple[Network, ...] = ()
    certificates: frozenset[CertificateName] = frozenset()
    plain: bool = False

    @classmethod
    def from_settings(cls, settings: PeerSettings) -> PeerRow:
        return cls(
            AETitle(settings.ae_title),
            tuple(ipaddress.ip_network(one) for one in settings.addresses),
            frozenset(CertificateName(one) for one in settings.certificates),
            settings.plain or not settings.certificates,
        )

    def mismatch(self, peer: Peer) -> Mismatch | None:
        """None when the peer is the one this row means."""
        if self.networks and not any(_within(peer.address, one) for one in self.networks):
            return Mismatch.OTHER_ADDRESS
        if peer.certificate is None:
            return None if self.plain else Mismatch.PLAIN_NOT_ALLOWED
        return None if peer.certificate & self.certificates else Mismatch.OTHER_CERTIFICATE


# Of several rows of one title the answer that came closest is told.
_CLOSEST = (Mismatch.PLAIN_NOT_ALLOWED, Mismatch.OTHER_CERTIFICATE, Mismatch.OTHER_ADDRESS)


def mismatch(rows: Iterable[PeerRow], title: AETitle, peer: Peer) -> Mismatch | None:
    """None when any row of this title fits."""
    found = {row.mismatch(peer) for row in rows if row.title == title}
    if not found:
        return Mismatch.UNLISTED_TITLE
    return None if None in found else next(m for m in _CLOSEST if m in found)


def _within(address: str, network: Network) -> bool:
    """An IPv4 address on a socket that also takes IPv6 is written ::ffff:192.0.2.1 (RFC 4291 2.5.5.2)."""
    try:
        here = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(here, ipaddress.IPv6Address) and here.ipv4_mapped is not None:
        here = here.ipv4_mapped
    return here in network

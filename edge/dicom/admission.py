"""Who may open an association; the answer is the standard's own reject reason (PS3.8 table 9-21)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from edge.dicom.peers import Mismatch, Peer, PeerRow, mismatch
from edge.dicom.upper_layer.reasons import RejectReason
from edge.domain.canary import CANARY_AE_TITLE
from edge.domain.identity import AETitle
from edge.settings import DicomSettings

__all__ = ["Admission", "Peer", "Refusal", "RejectReason"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reason` goes on the wire; `mismatch` says more, to ops alone: a stranger need not know the table."""

    reason: RejectReason
    mismatch: Mismatch | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom the receiver talks to: rows of dicom.peers, else an allow-list; an empty one admits any.

    `host` is where it listens: the canary of this very machine needs no row.
    """

    ae_title: str
    calling_ae_titles: frozenset[str]
    max_associations: int
    max_per_address: int
    max_per_ae_title: int
    peers: tuple[PeerRow, ...] = ()
    host: str = ""

    @classmethod
    def from_settings(cls, settings: DicomSettings) -> Self:
        return cls(
            settings.ae_title,
            frozenset(settings.calling_ae_titles),
            settings.max_associations,
            settings.max_associations_per_address,
            settings.max_associations_per_ae_title,
            tuple(PeerRow.from_settings(one) for one in settings.peers),
            settings.host,
        )

    def admit(
        self, *, calling: str, called: str, peer: Peer, others: Iterable[tuple[str, str]]
    ) -> Refusal | None:
        """None when the peer is welcome; `others` are address and calling AE title of every open association.

        Titles are compared without leading and trailing spaces, and with case (PS3.8 9.3.2).
        """
        if called.strip(" ") != self.ae_title:
            return Refusal(RejectReason.CALLED_AE_TITLE_NOT_RECOGNIZED)
        title = _valid(calling)
        listed = title in self.calling_ae_titles or not self.calling_ae_titles
        ours = title == CANARY_AE_TITLE and self._on_this_machine(peer)
        if title is None or not (listed or ours):
            return Refusal(RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED)
        missed = mismatch(self.peers, title, peer) if self.peers and not ours else None
        if missed is not None:
            return Refusal(RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED, missed)
        open_now = list(others)
        if (
            len(open_now) >= self.max_associations
            or sum(address == peer.address for address, _ in open_now) >= self.max_per_address
            or sum(other == title for _, other in open_now) >= self.max_per_ae_title
        ):
            return Refusal(RejectReason.LOCAL_LIMIT_EXCEEDED)
        return None

    def _on_this_machine(self, peer: Peer) -> bool:
        address = peer.address.removeprefix("::ffff:")
        return address in ("::1", self.host) or address.startswith("127.")


def _valid(title: str) -> AETitle | None:
    try:
        return AETitle(title)
    except ValueError:
        return None

"""What one receiver offers to whom, and how patient it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.dicom.dimse.command_set import CommandField, CommandSet
from edge.dicom.dimse.services import Context, Service, Services
from edge.dicom.negotiation import Negotiation
from edge.dicom.syntaxes import DEFLATED, STORAGE_CLASSES, TRANSFER_SYNTAXES
from edge.settings import DicomSettings

_STORAGE = frozenset(STORAGE_CLASSES.values())


class Offer:
    """Storage and the other services, negotiated by whom one talks to."""

    def __init__(self, settings: DicomSettings, services: Iterable[Service]) -> None:
        self.services = Services(services)
        self.max_pdu_bytes = settings.max_pdu_bytes
        self._deflated_for = frozenset(settings.deflated_calling_ae_titles)
        self._usual = self._negotiation(TRANSFER_SYNTAXES)
        self._with_deflated = self._negotiation((*TRANSFER_SYNTAXES, DEFLATED))

    def negotiation(self, calling: str) -> Negotiation:
        """For this calling AE title, without its padding."""
        return self._with_deflated if calling in self._deflated_for else self._usual

    def stores(self, context: Context, command: CommandSet) -> bool:
        """Whether this is a C-STORE where one belongs."""
        return command.field == CommandField.C_STORE and context.abstract_syntax in _STORAGE

    def _negotiation(self, storage_syntaxes: tuple[str, ...]) -> Negotiation:
        offered = {**dict.fromkeys(_STORAGE, storage_syntaxes), **self.services.transfer_syntaxes()}
        return Negotiation(offered, self.max_pdu_bytes)


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds, and the fewest bytes a second that a peer may take for a message it has begun."""

    artim_s: float
    idle_s: float
    association_s: float
    min_bytes_per_s: int

    @classmethod
    def from_settings(cls, settings: DicomSettings) -> Patience:
        return cls(
            artim_s=min(settings.artim_timeout_s, settings.idle_timeout_s),
            idle_s=settings.idle_timeout_s,
            association_s=settings.association_timeout_s,
            min_bytes_per_s=settings.min_bytes_per_s,
        )

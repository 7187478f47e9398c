"""The canary as a scanner sends it: a small synthetic head with a bleed, under names of this appliance."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from edge.dicom.send_plan import GivenUids, PhantomSource, SendPlan
from edge.dicom.sender import SendFailed, run
from edge.domain.canary import CANARY_AE_TITLE, canary_instance, canary_series
from edge.domain.identity import UUID_ROOT, AETitle, SeriesInstanceUID
from edge.errors import EdgeError, FixConfiguration
from edge.imaging.phantom import Acquisition, Bleed, BleedType
from edge.ports import Clock
from edge.settings import DicomSettings

# Few and small, for its rows stay in journal and ledger for good; the bleed is on four or five of them.
SCAN = Acquisition(
    rows=256, columns=256, pixel_spacing_mm=0.9, slices=20, spacing_mm=7.0, slice_thickness_mm=7.0
)
SEED = 7
BLEED = Bleed(BleedType.INTRAPARENCHYMAL, volume_ml=30.0)
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class Sent:
    """What the receiver said; `trouble` is empty when it answered 0x0000 to all, else one label."""

    series: SeriesInstanceUID
    instances: int
    acknowledged: int
    trouble: str


class CanarySender:
    """One head after the other, each under fresh names."""

    def __init__(self, settings: DicomSettings, key: bytes, clock: Clock, answer_s: float) -> None:
        """`answer_s` is the longest wait for any answer of the receiver."""
        self._settings, self._key, self._clock, self._answer_s = settings, key, clock, answer_s

    def send(self) -> Sent:
        """Blocks for a few answers at most; trouble is part of what is returned."""
        series = canary_series(self._key, secrets.randbits(60))
        instances = tuple(canary_instance(self._key, series, n) for n in range(SCAN.slices))
        study = f"{UUID_ROOT}.{secrets.randbits(122)}"
        uids = GivenUids(study, series, instances)
        plan = SendPlan(
            sources=(PhantomSource(SEED, (BLEED,), SCAN, CANARY_AE_TITLE, uids=uids, repeatable=False),),
            host=_ANYWHERE.get(self._settings.host, self._settings.host),
            port=self._settings.port,
            called_ae_title=AETitle(self._settings.ae_title),
            calling_ae_title=CANARY_AE_TITLE,
            answer_s=self._answer_s,
        )
        try:
            run(plan, clock=self._clock)
        except SendFailed as error:
            refused = error.report.not_stored
            status = next((one.status for one in refused if one.status is not None), None)
            label = "not_acknowledged" if status is None else f"0x{status:04x}"
            return Sent(series, SCAN.slices, SCAN.slices - len(refused), label)
        except FixConfiguration:
            return Sent(series, SCAN.slices, 0, "rejected")
        except EdgeError:
            return Sent(series, SCAN.slices, 0, "no_association")
        return Sent(series, SCAN.slices, SCAN.slices, "")

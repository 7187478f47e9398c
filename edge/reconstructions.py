"""Other reconstructions of an acquisition: under way in this process, or over by the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from edge.domain.case import SeriesCase
from edge.domain.identity import SeriesInstanceUID
from edge.domain.reconstruction import Reconstruction
from edge.domain.statement import Speaker, reconstruction
from edge.ports import Ledger


class Reconstructions:
    """One per agent; nothing is lost with it, for what is under way begins again after a restart."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._under_way: dict[SeriesInstanceUID, tuple[Speaker, SeriesCase]] = {}

    def note(self, speaker: Speaker, case: SeriesCase) -> None:
        """How far a series is by now."""
        self._under_way[speaker.series.series_instance_uid] = (speaker, case)

    def forget(self, series: SeriesInstanceUID) -> None:
        """The ledger has its outcome."""
        self._under_way.pop(series, None)

    def others(self, speaker: Speaker) -> Sequence[Reconstruction]:
        """Every other series of the study by its latest state, but for those that cannot become whole."""
        study, mine = speaker.series.study_token, speaker.series.series_instance_uid
        coming: list[Reconstruction] = []
        under_way = {uid: known for uid, known in self._under_way.items() if uid != mine}
        for other, case in under_way.values():
            if other.series.study_token == study and not case.unreadable and not case.conflicting:
                made = reconstruction(other, case)
                coming.extend([] if made is None else [made])
        over = self._ledger.reconstructions(study)
        gone = [r for r in over if r.series_instance_uid not in under_way and r.series_instance_uid != mine]
        return [*coming, *gone]

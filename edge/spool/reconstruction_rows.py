"""Reconstructions of one acquisition in the ledger, and those that gave way to one that says nothing."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from edge.domain.identity import SeriesInstanceUID
from edge.domain.outcome import Outcome, OutcomeKind
from edge.domain.reconstruction import Acquisition, Reconstruction, Standing

NOTE = """
INSERT INTO reconstruction (series_instance_uid, study_token, series_token, acquisition, rank)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (series_instance_uid) DO UPDATE SET acquisition = excluded.acquisition, rank = excluded.rank"""

OF_STUDY = """
SELECT series_instance_uid, made.series_token, acquisition, rank, kind, test
FROM reconstruction AS made JOIN outcome AS last USING (series_instance_uid)
WHERE made.study_token = ? AND revision = (
    SELECT max(revision) FROM outcome WHERE series_instance_uid = made.series_instance_uid)
ORDER BY series_instance_uid"""

# The chosen one may itself have given way to a third, which then speaks for all three.
_UNSPOKEN = """
SELECT last.series_instance_uid, chosen.series_instance_uid
FROM outcome AS last JOIN outcome AS chosen ON chosen.series_token = last.chosen_series
WHERE last.reason = 'other_reconstruction'
AND last.revision = (
    SELECT max(revision) FROM outcome WHERE series_instance_uid = last.series_instance_uid)
AND chosen.revision = (SELECT max(revision) FROM outcome WHERE series_token = last.chosen_series)
AND chosen.kind NOT IN ('finding', 'no_finding') AND chosen.reason <> 'other_reconstruction'"""

UNSPOKEN = f"{_UNSPOKEN} ORDER BY 1"
UNSPOKEN_BY = f"{_UNSPOKEN} AND ?1 IN (last.series_instance_uid, chosen.series_instance_uid) ORDER BY 1"

_STANDING = {OutcomeKind.FINDING: Standing.FOUND, OutcomeKind.NO_FINDING: Standing.WHOLE}


def note(connection: sqlite3.Connection, outcome: Outcome) -> None:
    """In the transaction of the outcome."""
    made, series = outcome.reconstruction, outcome.series
    if made is not None:
        names = (series.series_instance_uid, series.study_token, series.series_token)
        connection.execute(NOTE, (*names, _acquisition(made.acquisition), json.dumps(made.rank)))


def of_study(connection: sqlite3.Connection, study_token: str) -> list[Reconstruction]:
    return [_reconstruction(*row) for row in connection.execute(OF_STUDY, (study_token,))]


def unspoken(connection: sqlite3.Connection, series_instance_uid: str | None) -> dict[str, str]:
    query, values = (UNSPOKEN, ()) if series_instance_uid is None else (UNSPOKEN_BY, (series_instance_uid,))
    return dict(connection.execute(query, values).fetchall())


def choice_columns(outcome: Outcome) -> dict[str, str | int | bytes | None]:
    """Of the table outcome."""
    choice = outcome.choice
    return {
        "chosen_series": choice.series_token if choice else "",
        "chosen_because": choice.reason if choice else "",
        "not_chosen": json.dumps(choice.others) if choice else "",
    }


def _reconstruction(
    uid: str, series_token: str, acquisition: str, rank: str, kind: str, test: int
) -> Reconstruction:
    said: dict[str, Any] = json.loads(acquisition)
    low, high = said["extent_mm"]
    made_from = Acquisition(
        frame_of_reference=said["frame_of_reference"],
        events=frozenset(said["events"]),
        numbers=frozenset(said["numbers"]),
        began=said["began"],
        ended=said["ended"],
        extent_mm=(low, high),
    )
    standing = _STANDING.get(OutcomeKind(kind), Standing.OUT)
    ranked = tuple(json.loads(rank))
    return Reconstruction(SeriesInstanceUID(uid), series_token, made_from, ranked, standing, bool(test))


def _acquisition(made_from: Acquisition) -> str:
    return json.dumps(
        {
            "frame_of_reference": made_from.frame_of_reference,
            "events": sorted(made_from.events),
            "numbers": sorted(made_from.numbers),
            "began": made_from.began,
            "ended": made_from.ended,
            "extent_mm": made_from.extent_mm,
        }
    )

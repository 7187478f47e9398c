"""Several series of one study, from the scanner to the pages."""

from __future__ import annotations

import json
from collections.abc import Sequence

from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, StudyInstanceUID
from edge.domain.scanner import Scanners
from edge.domain.series import SliceHeader
from tests.builders import header
from tests.fakes.scanner_room import HEAD, ScannerRoom
from tests.fakes.virtual_time import run_in_virtual_time

NO_TESTS = Scanners({"CT_ER_1": "scanner-1"})


def copy_of(series: str, study: str = "1.2") -> Sequence[SliceHeader]:
    """The same head under other UIDs."""
    return [
        header(
            i,
            study_instance_uid=StudyInstanceUID(study),
            series_instance_uid=SeriesInstanceUID(series),
            sop_instance_uid=SopInstanceUID(f"{series}.{i}"),
        )
        for i in range(30)
    ]


def played(*series: tuple[Sequence[SliceHeader], bool], scanners: Scanners = NO_TESTS) -> ScannerRoom:
    """Each series on an association of its own, with blood or without, one after the other."""

    async def run() -> ScannerRoom:
        room = ScannerRoom(scanners=scanners)
        room.starts()
        try:
            for n, (slices, bleeds) in enumerate(series):
                room.opens(f"a{n}")
                room.sends(f"a{n}", *slices, blood=[8, 9, 10] if bleeds else [])
                room.releases(f"a{n}")
                await room.until_outcomes(n + 1)
        finally:
            await room.dies()
        return room

    return run_in_virtual_time(run())


def test_a_study_sent_again_under_new_series_uids_pages_once() -> None:
    room = played((HEAD, True), (copy_of("7.7"), True))
    assert [status for status, _ in room.pages] == ["preliminary", "confirmed"]
    assert room.results == ["finding", "finding"], "every series still has its own result"


def test_of_two_series_that_disagree_the_alert_of_the_one_stands() -> None:
    for order in ((True, False), (False, True)):
        room = played((HEAD, order[0]), (copy_of("7.7"), order[1]))
        assert [status for status, _ in room.pages] == ["preliminary", "confirmed"]


def test_a_test_scanner_reaches_no_clinical_role_and_nobody_is_told_it_was_a_patient() -> None:
    room = played((HEAD, True), scanners=Scanners({}, ["CT_ER_1"]))
    topics = {m.message.topic.removeprefix("edge/v1/edge-1/") for m in room.ledger.messages.values()}
    assert not any(t.startswith(("alert/", "role/")) or t == "worklist" for t in topics), topics
    assert "test/alert" in topics
    assert all(json.loads(m.message.payload)["test"] for m in room.ledger.messages.values())


def test_another_study_pages_for_itself() -> None:
    room = played((HEAD, True), (copy_of("7.7", study="1.9"), True))
    assert len({alert for _, alert in room.pages}) == 2

"""A scanner with MPPS says what it made: before, after, wrongly, half or never, and no negative is early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

from edge.mqtt.message import ResultMessage
from tests.contract.announcing import Teller, begun, ended
from tests.e2e.appliance import Appliance

pytestmark = [pytest.mark.peer("mosquitto", "storescu"), pytest.mark.timeout(300)]

# Far longer than the model needs, so that what waits for quiet is told from what does not.
QUIET_S, DEADLINE_S = 6.0, 9.0


class Series:
    """The same real head in another study, for the scanner made it with other rays."""

    def __init__(self, files: list[Path], folder: Path) -> None:
        folder.mkdir()
        self.uid, self.step, study = generate_uid(), generate_uid(), generate_uid()
        self.files, self.instances = list[Path](), list[str]()
        for i, file in enumerate(files):
            ds = pydicom.dcmread(file)
            ds.StudyInstanceUID, ds.SeriesInstanceUID = study, self.uid
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            self.instances.append(ds.SOPInstanceUID)
            self.files.append(folder / f"{i:03d}.dcm")
            ds.save_as(self.files[-1])

    def is_sent(self, scanner: Appliance) -> None:
        """As a step that goes on."""
        with Teller(scanner.settings.dicom.port) as teller:
            assert teller.create(begun(), self.step).Status == 0x0000
        assert scanner.storescu(*self.files).returncode == 0

    def ends(self, scanner: Appliance, status: str = "COMPLETED", more: Sequence[str] = ()) -> None:
        named = {self.uid: [*self.instances, *more]}
        with Teller(scanner.settings.dicom.port) as teller:
            assert teller.set(ended(named, status), self.step).Status == 0x0000


def latest(scanner: Appliance, number: int) -> ResultMessage:
    return scanner.pager.until_results(number)[number - 1]


def waited_s(result: ResultMessage) -> float:
    return (result.timings.settled_at - result.timings.last_slice_received_at).total_seconds()


def test_what_the_scanner_says_it_made_decides_when_a_series_is_over(
    appliance: Callable[..., Appliance], ge_head: list[Path], tmp_path: Path
) -> None:
    scanner = appliance(
        EDGE_COMPLETENESS__QUIET_S=str(QUIET_S), EDGE_COMPLETENESS__DEADLINE_S=str(DEADLINE_S)
    )
    never_ended = Series(ge_head, tmp_path / "never ended")
    never_ended.is_sent(scanner)
    without = latest(scanner, 1)
    assert (without.outcome, without.reason) == ("no_finding", "released")
    assert waited_s(without) >= QUIET_S

    after = Series(ge_head, tmp_path / "after")
    after.is_sent(scanner)
    after.ends(scanner)
    told_after = latest(scanner, 2)
    assert (told_after.outcome, told_after.reason) == ("no_finding", "announced")
    assert waited_s(told_after) < QUIET_S

    broken = Series(ge_head[:20], tmp_path / "broken")
    broken.is_sent(scanner)
    broken.ends(scanner, "DISCONTINUED")
    stopped = latest(scanner, 3)
    assert (stopped.outcome, stopped.reason) == ("incomplete", "discontinued")
    assert waited_s(stopped) < QUIET_S

    # The first series had its negative; now its scanner names a slice that never came.
    never_ended.ends(scanner, more=[generate_uid()])
    corrected = latest(scanner, 4)
    assert (corrected.outcome, corrected.reason) == ("incomplete", "deadline_announced")
    assert (corrected.revision, corrected.predecessor) == (2, without.outcome_id)
    assert corrected.detail == "29 announced, 1 of them did not come, 0 others did"

    before = Series(ge_head, tmp_path / "before")
    with Teller(scanner.settings.dicom.port) as teller:
        teller.create(begun(), before.step)
    before.ends(scanner)
    assert scanner.storescu(*before.files).returncode == 0
    told_before = latest(scanner, 5)
    assert (told_before.outcome, told_before.reason) == ("no_finding", "announced")
    assert waited_s(told_before) < QUIET_S
    assert scanner.pager.alerts == []
    print(
        f"last slice to 'no finding': {waited_s(without):.2f} s without a completed step, "
        f"{waited_s(told_before):.2f} s told before, {waited_s(told_after):.2f} s told after"
    )

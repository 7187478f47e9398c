"""The virtual scanner against our receiver and against DCMTK's."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from edge.dicom.frame_decoder import decode_frame
from edge.dicom.reader import DicomReader
from edge.dicom.send_plan import FolderSource, PhantomSource, SendPlan
from edge.dicom.send_source import TRANSFER_SYNTAX_NAMES
from edge.dicom.sender import SendFailed, run
from edge.domain.arrival import AssociationAborted, AssociationOpened, AssociationReleased, InstanceStored
from edge.domain.identity import AETitle
from edge.errors import FixConfiguration, RetryPeer
from edge.imaging.volume import Slice
from tests.contract.receiving import SMALL, RealClock, Running, receiving, small_series, write

PHANTOM = PhantomSource(seed=5, acquisition=SMALL, uid_seed="test", accession_number="A-1")


@pytest.fixture
def running(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Running]:
    with receiving(tmp_path / "state", free_port()) as receiver:
        yield receiver


def plan(running: Running, **options: object) -> SendPlan:
    return SendPlan(**{"sources": (PHANTOM,), "port": running.port, **options})


@pytest.mark.parametrize("syntax", [None, *TRANSFER_SYNTAX_NAMES])
def test_a_phantom_arrives_as_a_readable_head_in_order(running: Running, syntax: str | None) -> None:
    report = run(plan(running, transfer_syntax=syntax), clock=RealClock())
    assert [s.status for s in report.instances] == [0] * 4
    entries = running.wait_for(InstanceStored, 4)
    slices = [DicomReader(running.state_dir, decode_frame).read(e.instance) for e in entries]
    assert all(isinstance(s, Slice) for s in slices)
    offsets = [s.header.offset_mm for s in slices]
    assert offsets == sorted(offsets)
    assert {s.header.accession_number for s in slices} == {"A-1"}
    expected = TRANSFER_SYNTAX_NAMES[syntax or "explicit_le"]
    assert {e.instance.transfer_syntax_uid for e in entries} == {expected}


def test_a_repeatable_phantom_is_the_same_bytes_again(running: Running) -> None:
    for _ in range(2):
        assert run(plan(running), clock=RealClock()).not_stored == ()
    assert len(running.kept()) == 4


def test_files_go_out_byte_for_byte(running: Running, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "README").write_text("not DICOM")
    for k, data_set in enumerate(small_series()):
        write(data_set, folder / f"{k}.dcm")
    report = run(plan(running, sources=(FolderSource(folder),)), clock=RealClock())
    assert len(report.instances) == 4
    for k, kept in enumerate(running.kept()):
        assert (folder / f"{k}.dcm").read_bytes().endswith(kept[-64 * 64 * 2 - 500 :])


def test_an_abort_ends_the_run_in_the_middle(running: Running) -> None:
    report = run(plan(running, abort_after=2), clock=RealClock())
    assert report.aborted
    assert len(report.instances) == 2
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "peer_aborted"


def test_one_association_per_instance(running: Running) -> None:
    run(plan(running, associations="per_instance"), clock=RealClock())
    running.wait_for(AssociationReleased, 4)
    assert len(running.wait_for(AssociationOpened, 4)) == 4


def test_the_pace_is_kept_and_progress_is_told(running: Running) -> None:
    told: list[int] = []
    report = run(
        plan(running, slices_per_s=10.0), clock=RealClock(), on_progress=lambda sent: told.append(sent.index)
    )
    times = [s.sent_monotonic for s in report.instances]
    assert times[-1] - times[0] >= 0.2
    assert told == [0, 1, 2, 3]
    assert all(s.answered_utc >= s.sent_utc for s in report.instances)


def test_refused_instances_raise_at_the_end_with_the_report(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with receiving(tmp_path / "state", free_port(), min_free_bytes=1 << 62) as full:
        with pytest.raises(SendFailed, match=r"4 of 4 .* 0xA700") as failed:
            run(plan(full), clock=RealClock())
        assert [s.status for s in failed.value.report.instances] == [0xA700] * 4


def test_a_rejection_for_good_asks_for_configuration(running: Running) -> None:
    with pytest.raises(FixConfiguration, match="called ae title not recognized"):
        run(plan(running, called_ae_title=AETitle("PACS")), clock=RealClock())


def test_nobody_there_asks_to_try_again(free_port: Callable[[], int]) -> None:
    with pytest.raises(RetryPeer, match="does not answer"):
        run(SendPlan((PHANTOM,), port=free_port()), clock=RealClock())


def test_an_empty_folder_is_refused(running: Running, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FixConfiguration, match="no DICOM files"):
        run(plan(running, sources=(FolderSource(tmp_path / "empty"),)), clock=RealClock())


@pytest.mark.peer("storescp")
def test_dcmtk_takes_what_we_send(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port, folder = free_port(), tmp_path / "taken"
    folder.mkdir()
    with subprocess.Popen(["storescp", "-od", str(folder), str(port)]) as peer:
        try:
            report = _once_it_listens(SendPlan((PHANTOM,), port=port))
        finally:
            peer.terminate()
    assert report == [0] * 4
    taken = [dcmread(path) for path in folder.iterdir()]
    assert {str(d.PatientName) for d in taken} == {"PHANTOM^SYNTHETIC"}
    assert sorted(int(d.InstanceNumber) for d in taken) == [1, 2, 3, 4]


def _once_it_listens(sending: SendPlan) -> list[int | None]:
    deadline = time.monotonic() + 10
    while True:
        try:
            return [s.status for s in run(sending, clock=RealClock()).instances]
        except RetryPeer:
            assert time.monotonic() < deadline
            time.sleep(0.1)

"""Unreadable instances are kept: within bounds, without a UID, through a crash between two files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.domain.arrival import StoredInstance
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, StudyInstanceUID
from edge.domain.series import UnusableInstance
from edge.domain.unusable import UnusableReason
from edge.imaging.volume import Slice
from edge.spool.quarantine import FOLDER, Quarantine, QuarantineEntry, QuarantiningReader, entries
from edge.telemetry.events import Happening, QuarantineMeasured
from tests.fakes.clock import FakeClock

KEY = b"k" * 32
UID = "1.2.840.99999.7"
REASON = UnusableReason.DECODER_CRASHED


class Box:
    """A state folder with an inbox, and a quarantine that is opened as often as one likes."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir, self.clock, self.said = state_dir, FakeClock(), list[Happening]()
        (state_dir / "inbox").mkdir()

    def opened(self, max_bytes: int = 1000) -> Quarantine:
        return Quarantine(self.state_dir, KEY, max_bytes=max_bytes, clock=self.clock, emit=self.said.append)

    def stored(self, number: int, size: int = 400) -> StoredInstance:
        path = f"inbox/{number}.dcm"
        (self.state_dir / path).write_bytes(bytes([number]) * size)
        self.clock.advance(1.0)
        return StoredInstance(SopInstanceUID(f"{UID}.{number}"), "", "", path, "", size)

    @property
    def held(self) -> list[bytes]:
        folder = self.state_dir / FOLDER
        return [(folder / f"{e.instance}.dcm").read_bytes() for e in entries(self.state_dir)]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_bytes_reason_and_time_are_kept_and_no_uid(box: Box) -> None:
    instance = box.stored(1)
    assert box.opened().keep(instance, REASON)
    (entry,) = entries(box.state_dir)
    assert (entry.reason, entry.size_bytes) == ("decoder_crashed", 400)
    assert entry.at == box.clock.utc().isoformat(timespec="milliseconds")
    assert box.held == [b"\1" * 400]
    assert not any(
        UID in p.name or UID.encode() in p.read_bytes() for p in (box.state_dir / FOLDER).iterdir()
    )
    assert {p.stat().st_mode & 0o077 for p in [box.state_dir / FOLDER]} == {0}


def test_the_bytes_outlive_the_inbox(box: Box) -> None:
    instance = box.stored(1)
    box.opened().keep(instance, REASON)
    (box.state_dir / instance.path).unlink()
    assert box.held == [b"\1" * 400]


def test_the_oldest_make_room(box: Box) -> None:
    quarantine = box.opened()
    for number in range(1, 5):
        assert quarantine.keep(box.stored(number), REASON)
    assert box.held == [b"\3" * 400, b"\4" * 400]
    assert len(list((box.state_dir / FOLDER).iterdir())) == 4
    assert box.said[-1] == QuarantineMeasured(2, 800)


def test_there_are_never_too_many(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.spool.quarantine.MOST_ENTRIES", 2)
    quarantine = box.opened()
    for number in range(1, 5):
        assert quarantine.keep(box.stored(number, size=1), REASON)
    assert box.held == [b"\3", b"\4"]


def test_the_same_instance_again_changes_nothing(box: Box) -> None:
    instance = box.stored(1)
    assert box.opened().keep(instance, REASON)
    box.clock.advance(60)
    assert box.opened().keep(instance, UnusableReason.TRUNCATED)
    assert [e.reason for e in entries(box.state_dir)] == ["decoder_crashed"]


@pytest.mark.parametrize("max_bytes", [0, 399])
def test_what_is_larger_than_all_of_it_drives_nothing_out(box: Box, max_bytes: int) -> None:
    small = box.stored(1, size=max_bytes)
    quarantine = box.opened(max_bytes)
    quarantine.keep(small, REASON)
    assert not quarantine.keep(box.stored(2), REASON)
    assert box.held == [b"\1" * max_bytes]


def test_what_is_gone_is_not_kept(box: Box) -> None:
    instance = box.stored(1)
    (box.state_dir / instance.path).unlink()
    assert not box.opened().keep(instance, REASON)
    assert entries(box.state_dir) == []


def test_a_crash_between_the_two_files_leaves_nothing_behind(box: Box) -> None:
    box.opened().keep(box.stored(1), REASON)
    (box.state_dir / FOLDER / "0123456789abcdef01234567.dcm").write_bytes(b"half")
    (whole,) = entries(box.state_dir)
    lost = {**json.loads((box.state_dir / FOLDER / f"{whole.instance}.json").read_text()), "instance": "lost"}
    (box.state_dir / FOLDER / "lost.json").write_text(json.dumps(lost))
    (box.state_dir / FOLDER / "broken.json").write_text('{"instance"')
    assert entries(box.state_dir) == [whole]
    box.opened()
    assert {p.stem for p in (box.state_dir / FOLDER).iterdir()} == {whole.instance}
    assert box.said[-1] == QuarantineMeasured(1, 400)


def test_a_file_system_without_hard_links_gets_a_copy(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*names: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("edge.spool.quarantine.os.link", refused)
    box.opened().keep(box.stored(1), REASON)
    assert box.held == [b"\1" * 400]


class Source:
    """A PixelSource with one answer."""

    def __init__(self, reason: UnusableReason, unreadable: bool) -> None:
        names = StudyInstanceUID("1.2"), SeriesInstanceUID("1.3"), SopInstanceUID(UID)
        self.found = UnusableInstance(*names, reason, unreadable)

    def read(self, instance: StoredInstance) -> Slice | UnusableInstance:
        return self.found


@pytest.mark.parametrize(
    ("reason", "unreadable", "kept"),
    [
        (UnusableReason.DECODER_TIMED_OUT, True, 1),
        (UnusableReason.NOT_DICOM, True, 1),
        (UnusableReason.LOCALIZER, False, 0),
        (UnusableReason.INBOX_UNREADABLE, True, 0),
    ],
)
def test_only_what_is_damaged_is_kept(box: Box, reason: UnusableReason, unreadable: bool, kept: int) -> None:
    source, failed = Source(reason, unreadable), list[OSError]()
    reader = QuarantiningReader(source, box.opened(), failed.append)
    assert reader.read(box.stored(1)) is source.found
    assert len(entries(box.state_dir)) == kept
    assert failed == []


def test_a_disk_that_keeps_nothing_is_told_and_holds_up_nobody(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.spool.quarantine.write_new", full)
    source, failed = Source(REASON, True), list[OSError]()
    reader = QuarantiningReader(source, box.opened(), failed.append)
    assert reader.read(box.stored(1)) is source.found
    assert [e.errno for e in failed] == [28]
    assert entries(box.state_dir) == []


def test_the_command_lists_what_is_there(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_APPLIANCE__STATE_DIR", str(box.state_dir))
    assert main(["quarantine", "list"]) == 0
    assert capsys.readouterr().out.startswith("0 instances, 0.0 of 1024 MiB")
    box.opened().keep(box.stored(1), REASON)
    (entry,) = entries(box.state_dir)
    assert main(["quarantine", "list"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"{entry.at}  {entry.instance}         400  decoder_crashed"
    assert last == f"1 instances, 0.0 of 1024 MiB, in {box.state_dir / FOLDER}"
    assert isinstance(entry, QuarantineEntry)

"""What the receiver keeps and what it answers, sent to by DCMTK and by pynetdicom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, RLELossless
from xxhash import xxh3_128

from edge.domain.arrival import (
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
)
from edge.spool.inbox import Inbox
from edge.telemetry.events import InstanceReceived, InstanceRefused
from tests.contract.receiving import (
    CT,
    Running,
    changed,
    data_set_bytes,
    dcmtk,
    receiving,
    send,
    small_series,
    write,
)

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(**options: object) -> Running:
            return stack.enter_context(receiving(tmp_path / "state", free_port(), **options))

        yield begin


@pytest.fixture
def series() -> tuple[Dataset, ...]:
    return small_series()


class BrokenInbox(Inbox):
    """A disk that fails as a dying one does."""

    def begin(self, *args: object, **kwargs: object) -> object:
        raise OSError(5, "Input/output error")


@pytest.mark.peer("storescu")
@pytest.mark.parametrize(
    ("encode", "propose"),
    [
        (["dcmconv", "+te"], "-xe"),
        (["dcmconv", "+ti"], "-xi"),
        (["dcmconv", "+tb"], "-xb"),
        (["dcmcrle"], "-xr"),
        (["dcmcjpeg", "+e1"], "-xs"),
        (["dcmcjpls", "+el"], "-xt"),
    ],
    ids=["explicit_le", "implicit_le", "explicit_be", "rle", "jpeg_lossless_sv1", "jpeg_ls_lossless"],
)
def test_dcmtk_objects_are_kept_byte_for_byte(
    start: Start, series: tuple[Dataset, ...], tmp_path: Path, encode: list[str], propose: str
) -> None:
    running = start()
    plain, encoded = write(series[1], tmp_path / "plain.dcm"), tmp_path / "encoded.dcm"
    made = dcmtk(*encode, plain, encoded)
    assert made.returncode == 0, made.stderr
    sent = dcmtk("storescu", "-aet", "CT_1", "-aec", "EDGE", propose, "127.0.0.1", running.port, encoded)
    assert sent.returncode == 0, sent.stderr
    running.wait_for(AssociationReleased)
    (stored,) = [e for e in running.journal() if isinstance(e, InstanceStored)]
    (kept,) = running.kept()
    expected = dcmread(encoded)
    assert stored.instance.sop_instance_uid == expected.SOPInstanceUID
    assert stored.instance.transfer_syntax_uid == expected.file_meta.TransferSyntaxUID
    assert stored.instance.digest == xxh3_128(data_set_bytes(kept)).hexdigest()
    assert dcmread(running.state_dir / stored.instance.path) == expected
    if encode[0] != "dcmconv":
        assert data_set_bytes(kept) == data_set_bytes(encoded.read_bytes())


def test_the_file_says_who_sent_it_to_whom(start: Start, series: tuple[Dataset, ...]) -> None:
    running = start()
    assert send(running, series[0]) == [0x0000]
    (stored,) = running.wait_for(InstanceStored)
    assert isinstance(stored, InstanceStored)
    meta = dcmread(running.state_dir / stored.instance.path).file_meta
    assert meta.SourceApplicationEntityTitle == "CT_1"
    assert meta.SendingApplicationEntityTitle == "CT_1"
    assert meta.ReceivingApplicationEntityTitle == "EDGE"
    assert meta.MediaStorageSOPInstanceUID == series[0].SOPInstanceUID
    assert running.kept()[0][:128] == b"\0" * 128


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_objects_of_pynetdicom_are_kept_as_they_are(
    start: Start, series: tuple[Dataset, ...], syntax: str, tmp_path: Path
) -> None:
    running = start()
    compressed = dcmread(write(series[2], tmp_path / "plain.dcm"))
    compressed.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    assert send(running, compressed) == [0x0000]
    (kept,) = running.kept()
    assert compressed.PixelData in kept


def test_the_same_bytes_again_are_a_success_and_no_new_instance(
    start: Start, series: tuple[Dataset, ...]
) -> None:
    running = start()
    assert send(running, series[0], series[0]) == [0x0000, 0x0000]
    assert len(running.kept()) == 1
    assert len(running.wait_for(DuplicateReceived)) == 1


def test_other_bytes_under_a_known_uid_keep_the_first_and_warn(
    start: Start, series: tuple[Dataset, ...]
) -> None:
    running = start()
    assert send(running, series[0]) == [0x0000]
    before = running.kept()
    assert send(running, changed(series[0], AccessionNumber="OTHER")) == [0xB006]
    assert running.kept() == before
    assert len(running.wait_for(ConflictReceived)) == 1
    assert [e.result for e in running.events if isinstance(e, InstanceReceived)] == ["stored", "conflict"]


def test_an_object_over_the_limit_is_refused_and_the_next_is_taken(
    start: Start, series: tuple[Dataset, ...]
) -> None:
    running = start(max_instance_mib=1, max_pdu_bytes=4096)
    large = changed(series[0], PixelData=bytes(3 << 20), SOPInstanceUID="1.2.3")
    assert send(running, large, series[1], large) == [0xA700, 0x0000, 0xA700]
    assert len(running.kept()) == 1
    assert running.events.count(InstanceRefused("0xA700", "instance_too_large")) == 2


def test_below_the_disk_floor_nothing_is_taken(start: Start, series: tuple[Dataset, ...]) -> None:
    running = start(min_free_bytes=1 << 62)
    assert send(running, series[0]) == [0xA700]
    assert running.kept() == []
    assert InstanceRefused("0xA700", "inbox_full") in running.events


def test_a_failing_disk_is_never_a_success(start: Start, series: tuple[Dataset, ...]) -> None:
    running = start(inbox=BrokenInbox)
    assert send(running, series[0]) == [0xC001]
    assert InstanceRefused("0xC001", "eio") in running.events


@pytest.mark.parametrize("uid", ["../../../../tmp/evil", "/etc/passwd", "ID_0fe31b044", "1.02.003"])
def test_no_file_is_named_by_the_sender(
    start: Start, series: tuple[Dataset, ...], uid: str, tmp_path: Path
) -> None:
    running = start()
    before = {p for p in tmp_path.rglob("*") if p.is_file() and running.state_dir not in p.parents}
    assert send(running, changed(series[0], SOPInstanceUID=uid)) == [0x0000]
    (stored,) = running.wait_for(InstanceStored)
    assert isinstance(stored, InstanceStored)
    assert stored.instance.sop_instance_uid == uid
    assert uid not in stored.instance.path
    kept = (running.state_dir / stored.instance.path).resolve()
    assert kept.is_relative_to(running.state_dir.resolve())
    assert {p for p in tmp_path.rglob("*") if p.is_file() and running.state_dir not in p.parents} == before


def test_a_data_set_that_is_no_image_is_kept_all_the_same(start: Start, series: tuple[Dataset, ...]) -> None:
    running = start()
    poor = Dataset()
    poor.SOPClassUID, poor.SOPInstanceUID = CT, "1.2.3"
    poor.file_meta = series[0].file_meta
    assert send(running, poor) == [0x0000]
    assert len(running.kept()) == 1


def test_no_patient_data_reaches_an_event(start: Start, series: tuple[Dataset, ...]) -> None:
    running = start()
    send(running, changed(series[0], PatientName="DOE^JANE", PatientID="SECRET-ID"))
    said = repr(running.events)
    assert all(word not in said for word in ("DOE^JANE", "SECRET-ID", str(series[0].SOPInstanceUID)))

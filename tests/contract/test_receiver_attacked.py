"""A real `edge receive` under attack: a listed scanner is served meanwhile, and memory keeps its bound."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from edge.dicom.reader import DicomReader
from edge.domain.arrival import AnnouncementReceived, StoredInstance
from edge.domain.series import UnusableInstance
from tests.contract.attacks import (
    ATTACKS,
    ATTACKS_ON_TLS,
    ATTACKS_THAT_ARE_STORED,
    HOSTILE_ROOT,
    Attack,
    flood_of_steps,
)
from tests.contract.certificates import OWN, SCANNER, Lab
from tests.contract.receive_process import ReceiveProcess, receive_process
from tests.contract.receiving import changed, dcmtk, small_series, write
from tests.contract.spool_child import ROOT

pytestmark = pytest.mark.peer("storescu")

RSS_CEILING_MIB = 120
SLICES, ROUNDS = 12, 3
# A few series may fall between two strokes of an attack.
ATTACKED_S = 1.5
# A neighbour of the test can slow a series down as well; an attack does so every time.
TRIES = 4
MOST_READ_BYTES = 16 << 20


DICOM = """max_instance_mib = 16
deflated_calling_ae_titles = ["CT_1"]
[[dicom.peers]]
ae_title = "CT_1"
addresses = ["127.0.0.1"]
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The series of the listed scanner."""
    slices = [changed(small_series()[n % 4], SOPInstanceUID=generate_uid()) for n in range(SLICES)]
    return [write(one, tmp_path / f"{n}.dcm") for n, one in enumerate(slices)]


@pytest.fixture
def attacked(tmp_path: Path) -> Iterator[ReceiveProcess]:
    with receive_process(tmp_path, DICOM) as receiver:
        yield receiver


def series_s(port: int, files: list[Path], *options: str) -> float:
    """How long it takes, each time as new instances."""
    began = time.monotonic()
    sent = dcmtk("storescu", *options, "+II", "-aet", "CT_1", "-aec", "EDGE", "127.0.0.1", port, *files)
    assert sent.returncode == 0, sent.stderr
    return time.monotonic() - began


@contextmanager
def under(attack: Attack, port: int) -> Iterator[None]:
    """While the block runs; an attacker that fails fails the test."""
    argv = [sys.executable, "-m", "tests.contract.attacks", attack.__name__, str(port)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attacker:
        assert attacker.stdin is not None
        assert attacker.stdout is not None
        assert attacker.stdout.readline() == b"attacking\n"
        time.sleep(0.5)
        yield
        assert attacker.poll() is None, "it gave up by itself"
        attacker.stdin.close()
        assert attacker.wait(30) == 0


@pytest.mark.parametrize("attack", [*ATTACKS, *ATTACKS_THAT_ARE_STORED], ids=lambda attack: attack.__name__)
def test_a_listed_scanner_is_served_within_twice_its_quiet_time_in_bounded_memory(
    attacked: ReceiveProcess, files: list[Path], attack: Attack
) -> None:
    sent = served_meanwhile(attacked, attack, attacked.port, lambda: series_s(attacked.port, files))
    stored = attacked.stored()
    hostile = [i for i in stored if i.sop_instance_uid.startswith(HOSTILE_ROOT)]
    assert len(stored) - len(hostile) == sent * SLICES
    if attack is flood_of_steps:
        assert any(isinstance(e, AnnouncementReceived) for e in attacked.journal()), "it never began"
    if attack in ATTACKS_THAT_ARE_STORED:
        _read_at_no_cost(attacked.state_dir, hostile)


@pytest.mark.parametrize("attack", ATTACKS_ON_TLS, ids=lambda attack: attack.__name__)
def test_a_scanner_over_tls_is_served_while_its_port_is_attacked(
    tmp_path: Path, files: list[Path], attack: Attack, free_port: Callable[[], int]
) -> None:
    lab, port = Lab.make(tmp_path / "tls"), free_port()
    own = lab.pair(OWN)
    peer = f'[[dicom.peers]]\nae_title = "CT_1"\ncertificates = ["{lab.fingerprint(SCANNER)}"]\n'
    tls = (
        f'[dicom_tls]\nport = {port}\ncertificate_file = "{own.certificate_file}"\n'
        f'key_file = "{own.key_file}"\nca_file = "{lab.ca}"\n'
    )
    with receive_process(tmp_path, peer + tls) as receiver:
        sent = served_meanwhile(receiver, attack, port, lambda: series_s(port, files, *lab.dcmtk(SCANNER)))
        assert len(receiver.stored()) == sent * SLICES


def served_meanwhile(receiver: ReceiveProcess, attack: Attack, port: int, series: Callable[[], float]) -> int:
    """How many series went through; fails where each took more than twice as long, or memory grew."""
    series()
    sent, ratios = 1, list[float]()
    while not ratios or (min(ratios) > 2 and len(ratios) < TRIES):
        quiet = [series() for _ in range(ROUNDS)]
        with under(attack, port):
            busy = [series() for _ in range(ROUNDS)]
            while sum(busy) < ATTACKED_S:
                busy.append(series())
        sent += len(quiet) + len(busy)
        ratios.append(statistics.median(busy) / statistics.median(quiet))
        print(
            f"\n{attack.__name__}: series of {SLICES} in {statistics.median(quiet):.3f} s quiet,"
            f" {statistics.median(busy):.3f} s attacked, ratio {ratios[-1]:.2f};"
            f" receiver's peak RSS {receiver.peak_rss_mib():.0f} MiB"
        )
    assert min(ratios) <= 2
    assert receiver.peak_rss_mib() < RSS_CEILING_MIB
    return sent


def _read_at_no_cost(state_dir: Path, hostile: list[StoredInstance]) -> None:
    """Each is unusable by a name of its own, and takes no memory for what it claims to be."""
    reader, reasons = DicomReader(state_dir, _never), Counter[str]()
    assert hostile
    tracemalloc.start()
    for instance in hostile[:20]:
        found = reader.read(instance)
        assert isinstance(found, UnusableInstance), found
        reasons[found.reason.value] += 1
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"read: {dict(reasons)}, peak {peak_bytes / (1 << 20):.1f} MiB")
    assert peak_bytes < MOST_READ_BYTES


def _never(frame: object) -> object:
    raise AssertionError("its frame got as far as a decoder")

"""A receiver with a real inbox, and the senders that talk to it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydicom import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless
from pynetdicom import AE
from pynetdicom.association import Association

from edge.dicom.announcing import Announcing
from edge.dicom.connection import Listener
from edge.dicom.dimse.services import VERIFICATION
from edge.dicom.phantom_series import phantom_instances
from edge.dicom.receiver import Receiver
from edge.dicom.tls_gate import TlsGate
from edge.domain.arrival import (
    Arrival,
    InstanceStored,
)
from edge.imaging.phantom import Acquisition, head_phantom
from edge.peer_settings import DicomTlsSettings
from edge.settings import DicomSettings
from edge.spool.inbox import Inbox
from edge.spool.journal import InboxJournal
from edge.telemetry.events import Happening

CT = "1.2.840.10008.5.1.4.1.1.2"
SMALL = Acquisition(rows=64, columns=64, pixel_spacing_mm=3.6, slices=4, spacing_mm=32.0)
NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Running:
    port: int
    state_dir: Path
    events: list[Happening]
    receiver: Receiver

    def journal(self) -> list[Arrival]:
        journal = InboxJournal(self.state_dir)
        try:
            return list(journal.after(0, 1000))
        finally:
            journal.close()

    def wait_for(self, kind: type, count: int = 1, timeout_s: float = 10.0) -> list[Arrival]:
        """Journal entries of a kind, once there are `count` of them."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = [e for e in self.journal() if isinstance(e, kind)]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{count} {kind.__name__} expected, journal: {self.journal()}"
            time.sleep(0.02)

    def kept(self) -> list[bytes]:
        entries = [e for e in self.journal() if isinstance(e, InstanceStored)]
        return [(self.state_dir / e.instance.path).read_bytes() for e in entries]


@contextmanager
def receiving(
    state_dir: Path,
    port: int,
    *,
    min_free_bytes: int = 0,
    inbox: type[Inbox] = Inbox,
    tls: DicomTlsSettings | None = None,
    **settings: object,
) -> Iterator[Running]:
    """A receiver that serves in a thread of this process until the block ends, with `tls` on its port too."""
    store = inbox(state_dir, min_free_bytes=min_free_bytes, clock=RealClock())
    events: list[Happening] = []
    chosen = DicomSettings(port=port, **settings)
    listeners = [Listener(chosen.host, port)]
    if tls is not None:
        listeners.append(Listener(chosen.host, tls.port, TlsGate(tls, RealClock(), events.append)))
    services = (VERIFICATION, *Announcing(store, RealClock(), events.append).services())
    receiver = Receiver(chosen, store, RealClock(), events.append, services=services, listeners=listeners)
    receiver.start()
    done = threading.Event()
    serving = threading.Thread(target=receiver.serve, args=(done,))
    serving.start()
    try:
        yield Running(port, state_dir, events, receiver)
    finally:
        done.set()
        serving.join()
        receiver.stop(grace_s=0.5)
        store.close()


@cache
def small_series() -> tuple[Dataset, ...]:
    """Four slices of 64 x 64, enough for everything that is not about pixels."""
    return tuple(phantom_instances(head_phantom(11, acquisition=SMALL), now=NOW))


def dcmtk(*argv: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, timeout=60, env=environment, check=False
    )


def associate(running: Running, *, calling: str = "CT_1", called: str = "EDGE") -> Association:
    scu = AE(calling)
    scu.add_requested_context(
        CT, [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless]
    )
    return scu.associate("127.0.0.1", running.port, ae_title=called)


def send(running: Running, *data_sets: Dataset) -> list[int]:
    scu = AE("CT_1")
    for syntax in {d.file_meta.TransferSyntaxUID for d in data_sets}:
        scu.add_requested_context(CT, syntax)
    association = scu.associate("127.0.0.1", running.port, ae_title="EDGE")
    assert association.is_established
    statuses = [association.send_c_store(d).Status for d in data_sets]
    association.release()
    return statuses


def write(data_set: Dataset, path: Path) -> Path:
    dcmwrite(path, data_set, enforce_file_format=True)
    return path


def data_set_bytes(part_10: bytes) -> bytes:
    """What follows preamble, prefix and File Meta Information (PS3.10 7.1)."""
    return part_10[144 + int.from_bytes(part_10[140:144], "little") :]


def changed(data_set: Dataset, **attributes: object) -> Dataset:
    copy = deepcopy(data_set)
    for keyword, value in attributes.items():
        setattr(copy, keyword, value)
    return copy

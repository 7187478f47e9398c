"""Scanners that others wrote, and ours: each tells the record what it was answered."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE

from edge.clock import SystemClock
from edge.dicom.send_plan import FolderSource, SendPlan
from edge.dicom.sender import SentInstance
from edge.dicom.sender import run as edge_send
from edge.domain.identity import AETitle
from edge.errors import EdgeError
from tests.ladder.record import Instance, Record

_PATIENCE_S = 300.0
_PAUSE_S = 0.4
_STORESCU_ANSWER = re.compile(r"Sending file: (.+)|Received Store Response \((.+)\)|Store Failed")
_DCMSEND_ANSWER = re.compile(r"Filename +: (.+)|DIMSE Status +: (?:0x)?(\S+)")


@dataclass(frozen=True, slots=True)
class Port:
    """Where the receiver listens, and as whom the scanner comes."""

    number: int
    calling: str = "CT_ER_1"
    called: str = "EDGE"


Sender = Callable[[Port, Sequence[Instance], Record], None]


def storescu(port: Port, instances: Sequence[Instance], record: Record, *options: str) -> None:
    """DCMTK; TCP_NODELAY, or every object stalls 40 ms."""
    said = _run("storescu", "-v", *options, *_to(port), *(str(one.path) for one in instances))
    by_path = {str(one.path): one for one in instances}
    current: Instance | None = None
    for sending, status in _STORESCU_ANSWER.findall(said):
        if sending:
            current = by_path[sending.strip()]
        elif current is not None:
            record.answered(current, {"": None, "Success": 0}.get(status, 0xFFFF))
            current = None
    if current is not None:
        record.answered(current, None)


def dcmsend(port: Port, instances: Sequence[Instance], record: Record) -> None:
    """DCMTK's other one, which would decompress RLE first; its report names each instance with its status."""
    report = instances[0].path.with_suffix(f".{time.monotonic_ns()}.report")
    _run("dcmsend", "-dn", "+crf", str(report), *_to(port), *(str(one.path) for one in instances))
    if not report.exists():
        return
    by_path = {str(one.path): one for one in instances}
    current: Instance | None = None
    for name, status in _DCMSEND_ANSWER.findall(report.read_text()):
        if name:
            current = by_path[name.strip()]
        elif current is not None:
            known = re.fullmatch(r"[0-9A-Fa-f]{4}", status)
            record.answered(current, int(status, 16) if known else None)
    report.unlink()


def pynetdicom(
    port: Port, instances: Sequence[Instance], record: Record, *, max_pdu: int = 16382, abort_after: int = -1
) -> None:
    """With `abort_after` the association is aborted once so many were sent."""
    scu = AE(port.calling)
    scu.dimse_timeout = scu.acse_timeout = 30
    scu.connection_timeout = 10
    read = [dcmread(one.path) for one in instances]
    for pair in {(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in read}:
        scu.add_requested_context(*pair)
    association = scu.associate("127.0.0.1", port.number, ae_title=port.called, max_pdu=max_pdu)
    if not association.is_established:
        return
    for number, one in enumerate(instances):
        if number == abort_after:
            association.abort()
            return
        if not association.is_established:
            return
        answer = association.send_c_store(one.path)
        record.answered(one, getattr(answer, "Status", None))
    association.release()


def edge_sender(
    port: Port, instances: Sequence[Instance], record: Record, *, slices_per_s: float | None = None
) -> None:
    """`edge send --folder`, in this process."""
    by_uid = {one.uid: one for one in instances}
    folder = instances[0].path.parent

    def told(sent: SentInstance) -> None:
        record.answered(by_uid[sent.sop_instance_uid], sent.status)

    plan = SendPlan(
        sources=(FolderSource(folder),),
        port=port.number,
        called_ae_title=AETitle(port.called),
        calling_ae_title=AETitle(port.calling),
        slices_per_s=slices_per_s,
    )
    try:
        edge_send(plan, clock=SystemClock(), on_progress=told)
    except EdgeError:
        return  # refused or away: the record has what was answered until then


def paced(port: Port, instances: Sequence[Instance], record: Record) -> None:
    """As slowly as a scanner reconstructs, so that there is something to break."""
    edge_sender(port, instances, record, slices_per_s=18.0)


SENDERS: tuple[Sender, ...] = (storescu, dcmsend, edge_sender, paced)


def until_stored(
    sender: Sender, port: Port, instances: Sequence[Instance], record: Record, patience_s: float = _PATIENCE_S
) -> bool:
    """As scanners do: the whole series again until each instance was answered 0x0000, or False."""
    deadline = time.monotonic() + patience_s
    while True:
        sender(port, instances, record)
        if record.all_acknowledged(instances):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)


def _to(port: Port) -> tuple[str, ...]:
    return ("-aet", port.calling, "-aec", port.called, "127.0.0.1", str(port.number))


def _run(program: str, *arguments: str | Path) -> str:
    """What it said on both of its outputs; how it ended is told by the answers."""
    ended = subprocess.run(
        [program, *map(str, arguments)],
        env={**os.environ, "TCP_NODELAY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=180,
        check=False,
    )
    return ended.stdout

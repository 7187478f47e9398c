"""What may be fed any bytes at all; each target raises AssertionError for what must never happen.

Without atheris they are functions like others: seeds and regressions run through them in the tests.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage

from edge.dicom.admission import Admission
from edge.dicom.conversation import Conversation
from edge.dicom.dimse.command_set import CommandSet, InvalidCommand, Response, read_command, response_to
from edge.dicom.dimse.services import VERIFICATION
from edge.dicom.frame_decoder import CompressedFrame
from edge.dicom.intake import Intake
from edge.dicom.offer import Offer, Patience
from edge.dicom.reader import DicomReader
from edge.domain.arrival import StoredInstance
from edge.domain.frame import Frames
from edge.domain.identity import SopInstanceUID
from edge.domain.series import UnusableInstance
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput
from edge.imaging.volume import Slice
from edge.settings import DicomSettings
from edge.telemetry.events import Happening, TaskFailed
from tests.fuzz.in_memory import Fragments, Standstill, Store

SETTINGS = DicomSettings(max_pdu_bytes=4096, deflated_calling_ae_titles=("CT_1",))
OFFER, PATIENCE = Offer(SETTINGS, (VERIFICATION,)), Patience.from_settings(SETTINGS)
MOST_FRAME_BYTES = 64 << 20
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def upper_layer(data: bytes) -> None:
    """A connection, from its first byte to its end: the first byte of `data` says how the rest is cut up.

    However it is cut, the same is stored and told, and what is said is what a requestor can read.
    """
    cut = random.Random(data[0] if data else 0)
    said, told, kept = _conversation(data[1:], None)
    said_too, told_too, kept_too = _conversation(data[1:], cut)
    assert (told, kept) == (told_too, kept_too)
    # After its last word it may say it again, until the peer can no longer hear it.
    assert said.startswith(said_too)
    assert said_too or not said


def command_set(data: bytes) -> None:
    """A command set is read or refused, and what was read can be answered."""
    try:
        command = read_command(data)
    except InvalidCommand:
        return
    assert isinstance(command, CommandSet)
    assert len(command.elements) <= 64
    if command.field == 0x0FFF or command.is_response:
        return
    answer = read_command(response_to(command, Response(0x0110, "Any comment")))
    assert answer.is_response
    assert answer.number(0x0120) == command.message_id


def reader(data: bytes) -> None:
    """A Part 10 file is a slice, frames, or unusable for a reason that has a name."""
    kind = EnhancedCTImageStorage if EnhancedCTImageStorage.encode() in data else CTImageStorage
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        (Path(folder) / "x.dcm").write_bytes(data)
        read = DicomReader(Path(folder), _decoded).read
        one = StoredInstance(SopInstanceUID("1.2.3"), kind, "", "x.dcm", "", len(data))
        found = read(one)
        if isinstance(found, Frames):
            assert found.number > 0
            found = read(replace(one, frame=found.number))
    if isinstance(found, Slice):
        assert found.hu_yx.shape == (found.header.rows, found.header.columns)
        assert found.hu_yx.nbytes <= MOST_FRAME_BYTES
        assert np.isfinite(found.header.offset_mm)
    else:
        assert isinstance(found, UnusableInstance)
        assert found.reason in UnusableReason


TARGETS: dict[str, Callable[[bytes], None]] = {
    "upper_layer": upper_layer,
    "command_set": command_set,
    "reader": reader,
}


def _conversation(
    stream: bytes, cut: random.Random | None
) -> tuple[bytes, list[Happening], dict[str, bytes]]:
    """What is answered, told and stored."""
    told, store, connection = list[Happening](), Store(), Fragments(stream, cut)
    intake = Intake(Admission.from_settings(SETTINGS), store, Standstill(), told.append, 1 << 20)
    conversation: Any = Conversation
    conversation(connection, intake, OFFER, PATIENCE).run()
    assert connection.closed
    assert not intake.open_sessions()
    assert not store.open_ones, "an instance was begun and neither kept nor given up"
    assert not [one for one in told if isinstance(one, TaskFailed)], told
    return bytes(connection.said), told, store.kept


def _decoded(frame: CompressedFrame) -> NDArray[Any]:
    """For a real codec, which is native code and not to be watched from here: a black frame."""
    if frame.rows * frame.columns * frame.dtype.itemsize > MOST_FRAME_BYTES:
        raise RejectInput(UnusableReason.UNDECODABLE)
    return np.zeros((frame.rows, frame.columns), frame.dtype)

"""A multi-frame image of any size over a socket, from a sender that never holds more than one PDU of it."""

from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path

from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian

from edge.dicom.dimse.command_set import CommandField, Element, write_command
from tests.contract.enhanced import enhanced
from tests.contract.hostile import encoded
from tests.contract.receiving import changed, small_series
from tests.contract.stranger import Stranger

UID = "1.2.826.4.1"
FRAME_BYTES = 512 * 512 * 2
# What the receiver offers; with the headers of the PDV one of 131072 bytes.
PAYLOAD = random.Random(7).randbytes(131066)
ANSWER_S = 300.0


def send_large_object(port: int, size_bytes: int) -> float:
    """Seconds until it was answered with 0x0000."""
    head = (
        encoded(_image(size_bytes // FRAME_BYTES))
        + b"\xe0\x7f\x10\0OW\0\0"
        + size_bytes.to_bytes(4, "little")
    )
    whole, rest = divmod(size_bytes, len(PAYLOAD))
    command = {
        Element.COMMAND_FIELD: CommandField.C_STORE,
        Element.AFFECTED_SOP_CLASS_UID: EnhancedCTImageStorage,
        Element.AFFECTED_SOP_INSTANCE_UID: UID,
        Element.MESSAGE_ID: 1,
        Element.COMMAND_DATA_SET_TYPE: 0,
    }
    began = time.monotonic()
    with closing(Stranger(port)) as sender:
        sender.associate((1, EnhancedCTImageStorage, ExplicitVRLittleEndian))
        sender.socket.settimeout(ANSWER_S)
        sender.socket.sendall(_data(write_command(command), 3) + _data(head, 0))
        pdu = _data(PAYLOAD, 0)
        for _ in range(whole):
            sender.socket.sendall(pdu)
        sender.socket.sendall(_data(PAYLOAD[:rest], 2))
        assert sender.status() == 0x0000
        seconds = time.monotonic() - began
        sender.layer.release()
        sender.socket.sendall(sender.layer.bytes_to_send())
        sender.hear()
    return seconds


def is_whole(path: Path, size_bytes: int) -> bool:
    """Whether the file ends with all of the pixels that were sent."""
    with path.open("rb") as file:
        file.seek(-size_bytes, 2)
        left = size_bytes
        while left and file.read(min(left, len(PAYLOAD))) == PAYLOAD[:left]:
            left -= min(left, len(PAYLOAD))
        return not left


def _image(frames: int) -> object:
    image = enhanced(small_series()[:1])
    del image.PixelData
    return changed(image, SOPInstanceUID=UID, Rows=512, Columns=512, NumberOfFrames=frames)


def _data(content: bytes, control: int) -> bytes:
    """One P-DATA-TF with one value."""
    length = len(content) + 2
    return (
        b"\4\0" + (length + 4).to_bytes(4, "big") + length.to_bytes(4, "big") + bytes((1, control)) + content
    )

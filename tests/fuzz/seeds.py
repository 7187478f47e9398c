"""Where the fuzzer begins: what real peers say, so that it need not find a protocol by chance."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmwrite
from pydicom.filebase import DicomBytesIO
from pydicom.uid import RLELossless

from edge.dicom.dimse.command_set import NO_DATA_SET, CommandField, Element, write_command
from edge.dicom.upper_layer import pdu
from edge.dicom.upper_layer.associate import AssociateRequest
from edge.dicom.upper_layer.reasons import AbortReason, AbortSource
from edge.dicom.upper_layer.user_information import RoleSelection, UserInformation
from tests.contract.enhanced import compressed, enhanced
from tests.contract.hostile import nan_and_huge_geometry
from tests.contract.receiving import CT, changed, small_series

REGRESSIONS = Path(__file__).with_name("regressions")
VERIFICATION, IMPLICIT = "1.2.840.10008.1.1", "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


def seeds(target: str) -> list[bytes]:
    """Made here, and what once broke the target."""
    made = {"upper_layer": _streams, "command_set": _commands, "reader": _files}[target]()
    return [*made, *(path.read_bytes() for path in sorted((REGRESSIONS / target).glob("*")))]


def _commands() -> list[bytes]:
    echo = {Element.COMMAND_FIELD: CommandField.C_ECHO, Element.AFFECTED_SOP_CLASS_UID: VERIFICATION}
    store = {
        Element.COMMAND_FIELD: CommandField.C_STORE,
        Element.AFFECTED_SOP_CLASS_UID: CT,
        Element.AFFECTED_SOP_INSTANCE_UID: "1.2.3",
        Element.COMMAND_DATA_SET_TYPE: 0,
    }
    create = {Element.COMMAND_FIELD: CommandField.N_CREATE, Element.REQUESTED_SOP_INSTANCE_UID: "1.2"}
    answer = {Element.COMMAND_FIELD: 0x8030, Element.STATUS: 0}
    plain = {Element.MESSAGE_ID: 7, Element.COMMAND_DATA_SET_TYPE: NO_DATA_SET}
    return [write_command({**plain, **one}) for one in (echo, store, create, answer)]


def _streams() -> list[bytes]:
    echo, store, create, answer = _commands()

    def data(context_id: int, content: bytes, *, is_command: bool, most: int = 0) -> bytes:
        return pdu.data_pdus(context_id, content, is_command=is_command, max_pdu_bytes=most)

    user = UserInformation(16384, "1.2.3", "TEST", (8, 8), (RoleSelection(CT, True, False),), ((CT, b"\1"),))
    contexts = ((1, CT, (IMPLICIT, DEFLATED)), (3, VERIFICATION, (IMPLICIT,)), (5, "1.2.3", (IMPLICIT,)))
    hello = AssociateRequest("EDGE", "CT_1", contexts, user).encode()
    image = data(1, store, is_command=True) + data(1, bytes(range(250)), is_command=False, most=60)
    both = data(1, store, is_command=True)[6:] + data(1, b"1234", is_command=False)[6:]
    in_one = b"\4\0" + len(both).to_bytes(4, "big") + both
    bye, abort = pdu.RELEASE_RQ, pdu.abort(AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED)
    return [
        b"\7" + stream
        for stream in (
            hello + data(3, echo, is_command=True) + bye,
            hello + image + image + bye,
            hello + in_one + abort,
            hello + data(1, create, is_command=True) + data(1, answer, is_command=True),
            AssociateRequest("WHO", "CT_1", contexts, user).encode() + bye,
            b"GET / HTTP/1.1\r\n\r\n",
            bytes.fromhex("16030100a5010000a10303"),
        )
    ]


def _files() -> list[bytes]:
    tiny = [changed(d, Rows=8, Columns=8, PixelData=bytes(128)) for d in small_series()[:2]]
    rle = changed(tiny[0])
    rle.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    frames = enhanced(tiny)
    sets = [tiny[0], rle, frames, compressed(frames, RLELossless)]
    written: list[bytes] = []
    for one in sets:
        out = DicomBytesIO()
        dcmwrite(out, one, enforce_file_format=True)
        written.append(out.getvalue())
    head = written[0].partition(b"\x08\0\x05\0")[0]
    return written + [head + content for _, _, content in nan_and_huge_geometry()[:3]]

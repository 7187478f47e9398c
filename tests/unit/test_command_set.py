"""Command sets: read strictly, written as pynetdicom and pydicom read them."""

from __future__ import annotations

import struct
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pynetdicom.dsutils import decode, encode

from edge.dicom.dimse.command_set import (
    NO_DATA_SET,
    CommandField,
    Element,
    InvalidCommand,
    Response,
    read_command,
    response_to,
    write_command,
)
from edge.dicom.dimse.services import VERIFICATION, Context, Services

CT = "1.2.840.10008.5.1.4.1.1.2"


def c_store() -> bytes:
    request = Dataset()
    request.CommandGroupLength = 0
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CT, "1.2.3"
    request.CommandField, request.MessageID, request.CommandDataSetType = 1, 7, 1
    request.Priority = 2
    return encode(request, True, True)


def test_a_request_of_pynetdicom_is_read() -> None:
    command = read_command(c_store())
    assert (command.field, command.message_id, command.has_data_set) == (CommandField.C_STORE, 7, True)
    assert (command.sop_class_uid, command.sop_instance_uid) == (CT, "1.2.3")
    assert not command.is_response


def test_a_response_is_what_pydicom_reads() -> None:
    written = response_to(read_command(c_store()), Response(0xA700, comment="Disk floor reached"))
    answer = decode(BytesIO(written), True, True)
    assert answer.CommandGroupLength == len(written) - 12
    assert (answer.CommandField, answer.MessageIDBeingRespondedTo, answer.Status) == (0x8001, 7, 0xA700)
    assert (answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID) == (CT, "1.2.3")
    assert (answer.CommandDataSetType, answer.ErrorComment) == (NO_DATA_SET, "Disk floor reached")


def element(number: int, value: bytes, group: int = 0) -> bytes:
    return struct.pack("<HHL", group, number, len(value)) + value


COMPLETE = {Element.COMMAND_FIELD: 0x30, Element.MESSAGE_ID: 1, Element.COMMAND_DATA_SET_TYPE: NO_DATA_SET}


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "command_element"),
        (write_command({Element.COMMAND_FIELD: 0x30, Element.COMMAND_DATA_SET_TYPE: 0}), "command_element"),
        (write_command(COMPLETE) + b"\0\0", "command_element"),
        (write_command(COMPLETE) + element(0x1000, b"", group=8), "command_element"),
        (write_command(COMPLETE) + element(0x0110, b"\1\0"), "command_element"),
        (write_command(COMPLETE) + b"\0\0\2\x09\xff\xff\xff\xff" + bytes(16), "command_element"),
        (write_command({**COMPLETE, Element.MESSAGE_ID: b"\1\0\0\0"}), "command_element"),
        (write_command(COMPLETE) + element(0x1000, bytes(16384)), "command_too_long"),
        (
            write_command(COMPLETE) + b"".join(element(0x2000 + n, b"") for n in range(64)),
            "command_elements",
        ),
    ],
)
def test_what_is_no_command_set_is_refused(content: bytes, detail: str) -> None:
    with pytest.raises(InvalidCommand) as refused:
        read_command(content)
    assert refused.value.detail == detail


@given(noise=st.binary(max_size=200))
def test_noise_is_refused_or_read_and_nothing_else(noise: bytes) -> None:
    with suppress(InvalidCommand):
        assert read_command(noise).field >= 0


@given(
    st.dictionaries(
        st.integers(1, 0xFFFF).filter(lambda n: n not in COMPLETE),
        st.binary(max_size=40).filter(lambda b: len(b) % 2 == 0),
        max_size=20,
    )
)
def test_what_is_written_is_read_back(elements: dict[int, bytes]) -> None:
    read = read_command(write_command({**COMPLETE, **elements}))
    assert {n: v for n, v in read.elements.items() if n and n not in COMPLETE} == elements


def test_services_answer_what_they_said_they_would() -> None:
    services = Services((VERIFICATION,))
    on_echo = Context(VERIFICATION.abstract_syntax, "1.2.840.10008.1.2")
    echo, get = (read_command(write_command({**COMPLETE, 0x0100: field})) for field in (0x30, 0x110))
    assert services.handler(echo, on_echo) is not None
    assert services.handler(get, on_echo) is None
    assert services.handler(echo, Context(CT, "1.2.840.10008.1.2")) is None

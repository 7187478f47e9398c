"""A peer that keeps to the standard only as far as a test wants it to."""

from __future__ import annotations

import socket

from edge.dicom.dimse.command_set import NO_DATA_SET, Element, read_command, write_command
from edge.dicom.upper_layer import events as told
from edge.dicom.upper_layer.associate import AssociateRequest
from edge.dicom.upper_layer.layer import UpperLayer
from edge.dicom.upper_layer.user_information import UserInformation
from tests.contract.receiving import CT

IMPLICIT = "1.2.840.10008.1.2"


class Stranger:
    """A peer that says what it is told to, byte for byte; our own upper layer as a requestor."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.layer = UpperLayer(max_pdu_bytes=16384)
        self.heard: list[told.Indication] = []

    def close(self) -> None:
        self.socket.close()

    def associate(self, *contexts: tuple[int, str, str], **fields: object) -> told.Indication:
        proposed = tuple((n, abstract, (syntax,)) for n, abstract, syntax in contexts or ((1, CT, IMPLICIT),))
        user = UserInformation(max_pdu_bytes=16384, asynchronous_window=(0, 0))
        self.layer.connect(AssociateRequest("EDGE", "CT_1", proposed, user, **fields))
        self.layer.connected()
        self.socket.sendall(self.layer.bytes_to_send())
        return self.hear()

    def ask(self, context_id: int, elements: dict[int, int | str | bytes], data_set: bytes = b"") -> None:
        has = 0 if data_set else NO_DATA_SET
        command = write_command({Element.COMMAND_DATA_SET_TYPE: has, Element.MESSAGE_ID: 7, **elements})
        self.layer.send_data(context_id, command, is_command=True)
        if data_set:
            self.layer.send_data(context_id, data_set, is_command=False)
        self.socket.sendall(self.layer.bytes_to_send())

    def hear(self) -> told.Indication:
        while not self.heard:
            content = self.socket.recv(65536)
            assert content, "the connection ended without a word"
            self.heard += self.layer.receive(content)
        return self.heard.pop(0)

    def status(self) -> int:
        event = self.hear()
        assert isinstance(event, told.DataReceived), event
        return read_command(bytes(event.values[0][2])).number(Element.STATUS)

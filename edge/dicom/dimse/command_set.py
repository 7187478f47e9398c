"""Command sets: always Implicit VR Little Endian, group 0000 alone, no sequences (PS3.7 6.3.1, annex E)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from struct import Struct

# A request has about ten elements; an Attribute Identifier List of N-GET may hold some hundred tags.
MOST_BYTES = 16384
MOST_ELEMENTS = 64
NO_DATA_SET = 0x0101
_LONGEST_UID = 64
_ELEMENT = Struct("<HHL")
_US = Struct("<H")
_RESPONSE = 0x8000


class Element(IntEnum):
    """Element numbers in group 0000 (PS3.7 table E.1-1)."""

    COMMAND_GROUP_LENGTH = 0x0000
    AFFECTED_SOP_CLASS_UID = 0x0002
    REQUESTED_SOP_CLASS_UID = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
    COMMAND_DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    ERROR_COMMENT = 0x0902
    ERROR_ID = 0x0903
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    REQUESTED_SOP_INSTANCE_UID = 0x1001
    EVENT_TYPE_ID = 0x1002
    ACTION_TYPE_ID = 0x1008


class CommandField(IntEnum):
    """Requests (PS3.7 table E.1-1); a response is the same with the highest bit set."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150
    C_CANCEL = 0x0FFF


class InvalidCommand(Exception):
    """Bytes that are no command set this side can answer; `detail` is a metric label."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True)
class CommandSet:
    """The elements of one command by number, encoded as they came; each is decoded once."""

    elements: Mapping[int, bytes]

    @cached_property
    def field(self) -> int:
        """Command Field; compare with CommandField."""
        return self.number(Element.COMMAND_FIELD)

    @cached_property
    def message_id(self) -> int:
        return self.number(Element.MESSAGE_ID)

    @property
    def is_response(self) -> bool:
        return bool(self.field & _RESPONSE)

    @cached_property
    def has_data_set(self) -> bool:
        """Whether a data set follows in the same message."""
        return self.number(Element.COMMAND_DATA_SET_TYPE) != NO_DATA_SET

    @cached_property
    def sop_class_uid(self) -> str:
        """Affected, or else Requested SOP Class UID; empty when the request names none."""
        return self.uid(Element.AFFECTED_SOP_CLASS_UID) or self.uid(Element.REQUESTED_SOP_CLASS_UID)

    @cached_property
    def sop_instance_uid(self) -> str:
        """Affected, or else Requested SOP Instance UID; empty when the request names none."""
        return self.uid(Element.AFFECTED_SOP_INSTANCE_UID) or self.uid(Element.REQUESTED_SOP_INSTANCE_UID)

    def number(self, element: int) -> int:
        """An element of VR US; raises InvalidCommand when it is missing or has another length."""
        value = self.elements.get(element, b"")
        if len(value) != _US.size:
            raise InvalidCommand("command_element")
        return _US.unpack(value)[0]

    def uid(self, element: int) -> str:
        """Without padding, empty when absent; what is no UID comes back as it is, for others to refuse."""
        return self.elements.get(element, b"").decode("latin-1").rstrip("\0 ")


def read_command(content: bytes | bytearray | memoryview) -> CommandSet:
    """Raises InvalidCommand; whoever gets one back can ask it for its field and message ID."""
    if len(content) > MOST_BYTES:
        raise InvalidCommand("command_too_long")
    elements: dict[int, bytes] = {}
    at, last = 0, -1
    while at < len(content):
        if len(content) - at < _ELEMENT.size:
            raise InvalidCommand("command_element")
        group, element, length = _ELEMENT.unpack_from(content, at)
        at += _ELEMENT.size
        # An undefined length (0xFFFFFFFF), so a sequence, is longer than any command as well.
        if group != 0 or element <= last or length > len(content) - at:
            raise InvalidCommand("command_element")
        elements[element] = bytes(content[at : at + length])
        if len(elements) > MOST_ELEMENTS:
            raise InvalidCommand("command_elements")
        at, last = at + length, element
    command = CommandSet(elements)
    if command.field != CommandField.C_CANCEL and not command.is_response:
        _ = command.message_id
    _ = command.has_data_set
    return command


def write_command(elements: Mapping[int, int | str | bytes]) -> bytes:
    """A command set with its group length; int is VR US, str a UID, bytes as they are."""
    encoded: list[bytes] = []
    for number in sorted(elements):
        value = _encoded(elements[number])
        encoded += (_ELEMENT.pack(0, number, len(value)), value)
    body = b"".join(encoded)
    return _ELEMENT.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def _encoded(value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _US.pack(value)
    if isinstance(value, str):
        value = value.encode("latin-1")
        return value + b"\0" * (len(value) % 2)
    return value + b" " * (len(value) % 2)


@dataclass(frozen=True, slots=True)
class Response:
    """What a service answers; `comment` has at most 64 characters and no patient data.

    `data_set` is encoded in the transfer syntax of the presentation context; `elements` are further
    ones of the command set, by number. An empty UID means the request's own.
    """

    status: int
    comment: str = ""
    data_set: bytes = b""
    sop_instance_uid: str = ""
    elements: Mapping[int, int | str | bytes] | None = None


def response_to(request: CommandSet, response: Response) -> bytes:
    """The command set of a response: SOP class and instance of the request come back as affected ones."""
    elements: dict[int, int | str | bytes] = {
        Element.COMMAND_FIELD: request.field | _RESPONSE,
        Element.MESSAGE_ID_BEING_RESPONDED_TO: request.message_id,
        Element.COMMAND_DATA_SET_TYPE: 0 if response.data_set else NO_DATA_SET,
        Element.STATUS: response.status,
    }
    instance = response.sop_instance_uid or request.sop_instance_uid
    if 0 < len(request.sop_class_uid) <= _LONGEST_UID:
        elements[Element.AFFECTED_SOP_CLASS_UID] = request.sop_class_uid
    if 0 < len(instance) <= _LONGEST_UID:
        elements[Element.AFFECTED_SOP_INSTANCE_UID] = instance
    if response.comment:
        elements[Element.ERROR_COMMENT] = response.comment[:64].encode("ascii", "replace")
    elements.update(response.elements or {})
    return write_command(elements)

"""Items of the association PDUs (PS3.8 9.3.1) and the user information among them (PS3.7 annex D.3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct, error

from edge.dicom.upper_layer.reasons import AbortReason, InvalidPdu

_ITEM = Struct(">BxH")
_LONG = Struct(">L")
_WINDOW = Struct(">HH")
_SHORT = Struct(">H")
_MAX_LENGTH, _CLASS_UID, _ASYNC, _ROLE, _VERSION_NAME = 0x51, 0x52, 0x53, 0x54, 0x55
_SOP_CLASS_EXTENDED, _USER_IDENTITY = 0x56, 0x58


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """SCP/SCU role selection of one SOP class (PS3.7 D.3.3.4)."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class UserInformation:
    """PS3.7 D.3.3. An `asynchronous_window` of None is (1, 1); extended negotiation and identity as came."""

    max_pdu_bytes: int = 0
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    asynchronous_window: tuple[int, int] | None = None
    roles: tuple[RoleSelection, ...] = ()
    extended_negotiation: tuple[tuple[str, bytes], ...] = ()
    identity_type: int | None = None


def item(kind: int, content: bytes) -> bytes:
    """One item with its header."""
    return _ITEM.pack(kind, len(content)) + content


def write_user(user: UserInformation) -> bytes:
    """In the order of their numbers, as most implementations send them."""
    written = [
        item(_MAX_LENGTH, _LONG.pack(user.max_pdu_bytes)),
        item(_CLASS_UID, user.implementation_class_uid.encode("ascii")),
    ]
    if user.asynchronous_window is not None:
        written.append(item(_ASYNC, _WINDOW.pack(*user.asynchronous_window)))
    for role in user.roles:
        name = role.sop_class_uid.encode("ascii")
        written.append(item(_ROLE, _SHORT.pack(len(name)) + name + bytes((role.scu, role.scp))))
    if user.implementation_version_name:
        written.append(item(_VERSION_NAME, user.implementation_version_name.encode("ascii")))
    for sop_class, information in user.extended_negotiation:
        name = sop_class.encode("ascii")
        written.append(item(_SOP_CLASS_EXTENDED, _SHORT.pack(len(name)) + name + information))
    return b"".join(written)


def items(buffer: memoryview, at: int, end: int) -> list[tuple[int, int, int]]:
    """(type, begin, end) of each item; they must fill the space exactly."""
    found: list[tuple[int, int, int]] = []
    while at < end:
        if end - at < _ITEM.size:
            raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "item_length")
        kind, length = _ITEM.unpack_from(buffer, at)
        at += _ITEM.size
        if at + length > end:
            raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "item_length")
        found.append((kind, at, at + length))
        at += length
    return found


def uid(buffer: memoryview, at: int, end: int) -> str:
    """Longer than 64 or other than ASCII is no UID (PS3.5 9.1); trailing NUL and spaces are padding."""
    if end - at > 66:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "uid")
    try:
        return str(buffer[at:end], "ascii").rstrip("\0 ")
    except UnicodeDecodeError as cause:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "uid") from cause


def read_user(buffer: memoryview, at: int, end: int) -> UserInformation:
    """Each sub-item as the standard lays it out; one that does not fit is an invalid PDU."""
    known: dict[str, object] = {}
    roles, extended = list[RoleSelection](), list[tuple[str, bytes]]()
    try:
        for kind, begin, stop in items(buffer, at, end):
            if kind == _MAX_LENGTH:
                (known["max_pdu_bytes"],) = _LONG.unpack(buffer[begin:stop])
            elif kind == _CLASS_UID:
                known["implementation_class_uid"] = uid(buffer, begin, stop)
            elif kind == _ASYNC:
                known["asynchronous_window"] = _WINDOW.unpack(buffer[begin:stop])
            elif kind == _VERSION_NAME:
                known["implementation_version_name"] = str(buffer[begin:stop], "latin-1").strip("\0 ")
            elif kind == _ROLE:
                name, rest = _counted_uid(buffer, begin, stop)
                roles.append(RoleSelection(name, bool(buffer[rest]), bool(buffer[rest + 1])))
                _must_end(rest + 2, stop)
            elif kind == _SOP_CLASS_EXTENDED:
                name, rest = _counted_uid(buffer, begin, stop)
                extended.append((name, bytes(buffer[rest:stop])))
            elif kind == _USER_IDENTITY:
                known["identity_type"] = buffer[begin]
                _identity(buffer, begin, stop)
    except (error, IndexError) as cause:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "user_information") from cause
    return UserInformation(roles=tuple(roles), extended_negotiation=tuple(extended), **known)  # pyright: ignore[reportArgumentType] # each key above has its type


def _counted_uid(buffer: memoryview, at: int, end: int) -> tuple[str, int]:
    (length,) = _SHORT.unpack_from(buffer, at)
    if at + 2 + length > end:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "user_information")
    return uid(buffer, at + 2, at + 2 + length), at + 2 + length


def _identity(buffer: memoryview, at: int, end: int) -> None:
    """Lengths alone: what a user is called and proves it with is read by nobody (PS3.7 D.3.3.7.1)."""
    (primary,) = _SHORT.unpack_from(buffer, at + 2)
    (secondary,) = _SHORT.unpack_from(buffer, at + 4 + primary)
    _must_end(at + 6 + primary + secondary, end)


def _must_end(at: int, end: int) -> None:
    if at != end:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "user_information")

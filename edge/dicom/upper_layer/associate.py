"""A-ASSOCIATE-RQ and A-ASSOCIATE-AC (PS3.8 9.3.2, 9.3.3).

Read in one pass into tuples: a sender that proposes 128 contexts costs no object for each item.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from edge.dicom.upper_layer.pdu import PduType
from edge.dicom.upper_layer.reasons import AbortReason, InvalidPdu
from edge.dicom.upper_layer.user_information import UserInformation, item, items, read_user, uid, write_user

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
PROTOCOL_VERSION = 1
# The odd numbers of one byte are all the presentation context IDs there are (PS3.8 9.3.2.2).
MOST_CONTEXTS = 128

_HEADER = Struct(">BxL")
_FIXED = Struct(">HH16s16s32s")
_CONTEXT = Struct(">BxBx")
_APPLICATION, _CONTEXT_RQ, _CONTEXT_AC, _USER = 0x10, 0x20, 0x21, 0x50
_ABSTRACT, _TRANSFER = 0x30, 0x40

# Presentation context ID, abstract syntax, transfer syntaxes in the peer's order.
ProposedContext = tuple[int, str, tuple[str, ...]]
# Presentation context ID, result (PS3.8 table 9-18), transfer syntax.
AnsweredContext = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """What the peer proposes; AE titles still with their padding, for admission to judge."""

    called: str
    calling: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = PROTOCOL_VERSION

    def encode(self) -> bytes:
        """The whole PDU."""
        contexts = [
            item(
                _CONTEXT_RQ,
                _CONTEXT.pack(context_id, 0)
                + item(_ABSTRACT, abstract.encode("ascii"))
                + b"".join(item(_TRANSFER, syntax.encode("ascii")) for syntax in syntaxes),
            )
            for context_id, abstract, syntaxes in self.contexts
        ]
        return _pdu(PduType.ASSOCIATE_RQ, self, contexts)


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """The answer; AE titles are the request's own, byte for byte (PS3.8 9.3.3)."""

    called: str
    calling: str
    contexts: tuple[AnsweredContext, ...]
    user: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = PROTOCOL_VERSION

    def encode(self) -> bytes:
        """The whole PDU."""
        contexts = [
            item(_CONTEXT_AC, _CONTEXT.pack(context_id, result) + item(_TRANSFER, syntax.encode("ascii")))
            for context_id, result, syntax in self.contexts
        ]
        return _pdu(PduType.ASSOCIATE_AC, self, contexts)


def read_request(buffer: memoryview) -> AssociateRequest:
    """Of the PDU without its header; raises InvalidPdu."""
    fixed, application, contexts, user = _read(buffer, _CONTEXT_RQ)
    proposed = tuple(_proposed(buffer, at, end) for at, end in contexts)
    if not proposed or len({context_id for context_id, _, _ in proposed}) != len(proposed):
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "presentation_contexts")
    return AssociateRequest(fixed[1], fixed[2], proposed, user, application, fixed[0])


def read_accept(buffer: memoryview) -> AssociateAccept:
    """Of the PDU without its header; raises InvalidPdu."""
    fixed, application, contexts, user = _read(buffer, _CONTEXT_AC)
    answered = tuple(_answered(buffer, at, end) for at, end in contexts)
    return AssociateAccept(fixed[1], fixed[2], answered, user, application, fixed[0])


def _pdu(kind: PduType, content: AssociateRequest | AssociateAccept, contexts: list[bytes]) -> bytes:
    fixed = _FIXED.pack(
        content.protocol_version,
        0,
        content.called.ljust(16).encode("latin-1"),
        content.calling.ljust(16).encode("latin-1"),
        bytes(32),
    )
    application = item(_APPLICATION, content.application_context.encode("ascii"))
    body = b"".join([fixed, application, *contexts, item(_USER, write_user(content.user))])
    return _HEADER.pack(kind, len(body)) + body


def _read(
    buffer: memoryview, context_item: int
) -> tuple[tuple[int, str, str], str, list[tuple[int, int]], UserInformation]:
    """Version and AE titles, application context name, where each presentation context is, user items."""
    if len(buffer) < _FIXED.size:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "associate_length")
    version, _, called, calling, _ = _FIXED.unpack_from(buffer)
    application, contexts = "", list[tuple[int, int]]()
    user = UserInformation()
    for kind, at, end in items(buffer, _FIXED.size, len(buffer)):
        if kind == context_item:
            contexts.append((at, end))
            if len(contexts) > MOST_CONTEXTS:
                raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "presentation_contexts")
        elif kind == _APPLICATION:
            application = uid(buffer, at, end)
        elif kind == _USER:
            user = read_user(buffer, at, end)
        # Others are not tested when received (PS3.8 9.3.1).
    return (version, called.decode("latin-1"), calling.decode("latin-1")), application, contexts, user


def _proposed(buffer: memoryview, at: int, end: int) -> ProposedContext:
    context_id = _context_id(buffer, at, end)
    abstract, syntaxes = "", list[str]()
    for kind, begin, stop in items(buffer, at + _CONTEXT.size, end):
        if kind == _ABSTRACT:
            abstract = uid(buffer, begin, stop)
        elif kind == _TRANSFER:
            syntaxes.append(uid(buffer, begin, stop))
    if not abstract or not syntaxes:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "presentation_context")
    return context_id, abstract, tuple(syntaxes)


def _answered(buffer: memoryview, at: int, end: int) -> AnsweredContext:
    context_id = _context_id(buffer, at, end)
    syntaxes = [
        uid(buffer, a, b) for kind, a, b in items(buffer, at + _CONTEXT.size, end) if kind == _TRANSFER
    ]
    # Without acceptance the transfer syntax is not significant and may be left out (PS3.8 9.3.3.2).
    return context_id, buffer[at + 2], syntaxes[0] if syntaxes else ""


def _context_id(buffer: memoryview, at: int, end: int) -> int:
    if end - at < _CONTEXT.size or not buffer[at] & 1:
        raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "presentation_context")
    return buffer[at]

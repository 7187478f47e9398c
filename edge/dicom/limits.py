"""Bounds on what a peer can make pynetdicom hold, which has none of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.transport import AssociationSocket

# 128 presentation contexts with all our transfer syntaxes in each fit into it.
LONGEST_FIRST_PDU_BYTES = 65536
# Some senders forget that the length offered to them counts the PDU's inner headers.
_LENIENCY = 2
# Sta1 too: what is there at once is read before the connection is even noted.
_BEFORE_ASSOCIATE_RQ = frozenset({"Sta1", "Sta2"})
_INVALID_PDU = "Evt19"
_IS_COMMAND, _IS_LAST = 1, 2


def bound(association: Association, *, max_pdu_bytes: int, max_instance_bytes: int) -> None:
    """To be called before the association's threads start."""
    _bound_pdus(cast("AssociationSocket", association.dul.socket), max_pdu_bytes)
    listen = cast(
        "Callable[[evt.NotificationEvent, Callable[[Event], None]], None]",
        association.bind,  # pyright: ignore[reportUnknownMemberType] # its handlers are untyped
    )
    listen(evt.EVT_PDU_RECV, DataSetLimit(max_instance_bytes).on_pdu)


def _bound_pdus(transport: AssociationSocket, max_pdu_bytes: int) -> None:
    """A PDU that claims too much is an invalid one (PS3.8 9.2.3): A-ABORT, and none of it is read.

    pynetdicom asks for as many bytes as the PDU claims and offers no hook before that.
    """
    read = transport.recv
    longest = max(LONGEST_FIRST_PDU_BYTES, _LENIENCY * max_pdu_bytes)

    def recv(nr_bytes: int) -> bytearray:
        state = transport.assoc.dul.state_machine.current_state
        if nr_bytes > (LONGEST_FIRST_PDU_BYTES if state in _BEFORE_ASSOCIATE_RQ else longest):
            transport.event_queue.put(_INVALID_PDU)
            raise ConnectionAbortedError("the PDU claims more than was offered")
        return read(nr_bytes)

    transport.recv = recv


class DataSetLimit:
    """Drops what of a data set comes after the fragment that made it too large, on one association.

    So the message still ends, longer than the limit, and gets its C-STORE response.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._taken = 0

    def on_pdu(self, event: Event) -> None:
        """Handler of EVT_PDU_RECV, which pynetdicom calls before it looks at the PDU itself."""
        pdu = cast("object", event.pdu)  # pyright: ignore[reportUnknownMemberType] # set at run time
        if isinstance(pdu, P_DATA_TF):
            for item in pdu.presentation_data_value_items:
                item.presentation_data_value = self.kept(item.presentation_data_value or b"")

    def kept(self, fragment: bytes) -> bytes:
        """The fragment, or its message control header alone (PS3.8 annex E.2)."""
        if not fragment or fragment[0] & _IS_COMMAND:
            self._taken = 0
            return fragment
        dropped = self._taken > self._max_bytes
        self._taken = 0 if fragment[0] & _IS_LAST else self._taken + len(fragment) - 1
        return fragment[:1] if dropped else fragment

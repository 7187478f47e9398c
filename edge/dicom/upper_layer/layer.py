"""One association's upper layer: turns table 9-10, keeps the one buffer bytes are received into.

    layer = UpperLayer(max_pdu_bytes=131072)
    layer.connected()
    while not layer.should_close:
        layer.received(connection.recv_into(layer.space()))      # 0 says that the peer has closed
        while (indication := layer.next_event()) is not None:
            ...                                                  # layer.accept(...), layer.send_data(...)
        connection.sendall(layer.bytes_to_send())

While `artim_start` is not 0, the caller owes a call of `artim_expired` ARTIM seconds after it became what
it is, whatever the peer sends meanwhile.
"""

from __future__ import annotations

from edge.dicom.upper_layer import events as told
from edge.dicom.upper_layer import pdu
from edge.dicom.upper_layer.associate import AssociateAccept, AssociateRequest, read_accept, read_request
from edge.dicom.upper_layer.machine import Machine
from edge.dicom.upper_layer.pdu import HEADER_BYTES, PduType
from edge.dicom.upper_layer.reasons import AbortReason, AbortSource, InvalidPdu, RejectReason
from edge.dicom.upper_layer.table import TRANSITIONS, Event, State

# 128 presentation contexts with all our transfer syntaxes in each fit into it.
LONGEST_ASSOCIATE_BYTES = 65536
# Read at once as far as it has come, for each call costs more than a small PDU: a 512x512 slice, as it is.
_BUFFER_BYTES = 640 << 10
# For the header of a first PDU, which says how much more; that of a sender with few contexts fits whole.
_FIRST_BYTES = 4096
# Some senders forget that the length offered to them counts the PDU's inner headers.
_INNER_HEADERS_BYTES = 1024

_PDU_EVENTS = {
    PduType.ASSOCIATE_RQ: Event.ASSOCIATE_RQ_PDU,
    PduType.ASSOCIATE_AC: Event.ASSOCIATE_AC_PDU,
    PduType.ASSOCIATE_RJ: Event.ASSOCIATE_RJ_PDU,
    PduType.DATA_TF: Event.DATA_PDU,
    PduType.RELEASE_RQ: Event.RELEASE_RQ_PDU,
    PduType.RELEASE_RP: Event.RELEASE_RP_PDU,
    PduType.ABORT: Event.ABORT_PDU,
}
_BEFORE_ASSOCIATION = frozenset({State.IDLE, State.AWAITING_ASSOCIATE_RQ, State.AWAITING_ASSOCIATE_AC})
_CARRIES_DATA = frozenset({State.DATA_TRANSFER, State.AWAITING_RELEASE_RP})


class UpperLayer:
    """Acceptor of an association, or its requestor after `connect`; one thread at a time.

    `max_pdu_bytes` is what this side offers: a P-DATA-TF that claims more is an invalid PDU, known as
    soon as its header is there, and none of it is waited for.
    """

    def __init__(self, *, max_pdu_bytes: int) -> None:
        self._machine = Machine()
        self._longest_data = max_pdu_bytes + _INNER_HEADERS_BYTES
        # The whole of it is for who has an association: strangers must cost next to nothing.
        largest = max(2 * self._longest_data, LONGEST_ASSOCIATE_BYTES, _BUFFER_BYTES)
        self._buffer_bytes = HEADER_BYTES + largest
        self._buffer = memoryview(bytearray(_FIRST_BYTES))
        self._begin = self._end = 0
        self._deaf = False

    @property
    def state(self) -> State:
        """Where in table 9-10 the association is."""
        return self._machine.state

    @property
    def artim_start(self) -> int:
        """Which start of ARTIM is running, counted from 1; 0 for none: then the peer may take its time."""
        return self._machine.artim_starts if self._machine.artim_running else 0

    @property
    def should_close(self) -> bool:
        """Nothing more is to be said or heard: send what there is and close the transport."""
        return self._machine.should_close

    @property
    def can_abort(self) -> bool:
        """Whether there is an association, or half of one, that an A-ABORT would end."""
        return (Event.ABORT_REQUEST, self._machine.state) in TRANSITIONS

    @property
    def within_pdu(self) -> bool:
        """Whether a PDU has begun and is not whole."""
        return self._end > self._begin

    def space(self) -> memoryview:
        """Where the next bytes belong; what earlier DataReceived pointed at may be gone after this."""
        if self._begin == self._end:
            self._begin = self._end = 0
        elif self._end + self._longest_data < len(self._buffer):
            pass  # room for whatever may come
        elif self._begin and self._end + self.wanted() > len(self._buffer):
            left = self._end - self._begin
            self._buffer[:left] = self._buffer[self._begin : self._end]
            self._begin, self._end = 0, left
        if len(self._buffer) < self._buffer_bytes:
            self._grow()
        return self._buffer[self._end :]

    def wanted(self) -> int:
        """How many bytes the PDU that has begun still lacks, as far as is known; at least 1."""
        there = self._end - self._begin
        if there < HEADER_BYTES:
            return HEADER_BYTES - there
        try:
            _, length = pdu.header(self._buffer, self._begin)
        except InvalidPdu:
            return 1
        return max(1, min(HEADER_BYTES + length, self._buffer_bytes) - there)

    def received(self, count: int) -> None:
        """`count` bytes are in `space()` now; 0 is the end of the transport connection."""
        if not count:
            self._machine.turn(Event.TRANSPORT_CLOSED)
        elif not self._deaf:
            self._end += count

    def receive(self, content: bytes) -> list[told.Indication]:
        """Takes any number of bytes at once; payloads are copied, so they hold."""
        happened: list[told.Indication] = []
        rest = memoryview(content)
        while rest and not self.should_close:
            space = self.space()
            taken = min(len(space), len(rest))
            space[:taken] = rest[:taken]
            rest = rest[taken:]
            self.received(taken)
            while (indication := self.next_event()) is not None:
                if isinstance(indication, told.DataReceived):
                    kept = [(c, control, memoryview(bytes(v))) for c, control, v in indication.values]
                    indication = told.DataReceived(kept)
                happened.append(indication)
        return happened

    def next_event(self) -> told.Indication | None:
        """None when nothing more can be said without more bytes."""
        while not self._machine.indications:
            if self._deaf or self.should_close or self._end - self._begin < HEADER_BYTES:
                return None
            try:
                if not self._read_data() and not self._read_pdu():
                    return None
            except InvalidPdu as invalid:
                # Where the next PDU begins is no longer known.
                if invalid.reason is AbortReason.UNRECOGNIZED_PDU and self.state in _BEFORE_ASSOCIATION:
                    invalid.detail = pdu.foreign_protocol(bytes(self._buffer[:4])) or invalid.detail
                self._deaf = True
                self._begin = self._end = 0
                self._machine.turn(Event.INVALID_PDU, invalid)
        return self._machine.indications.pop(0)

    def bytes_to_send(self) -> bytes:
        """What has to go to the peer before the next wait, and before closing."""
        if not self._machine.to_send:
            return b""
        content = b"".join(self._machine.to_send)
        self._machine.to_send.clear()
        return content

    def connect(self, request: AssociateRequest) -> None:
        """A-ASSOCIATE request: open the transport, then call `connected`."""
        self._machine.turn(Event.ASSOCIATE_REQUEST, request)

    def connected(self) -> None:
        """The transport connection is there."""
        confirmed = self.state is State.AWAITING_TRANSPORT
        self._machine.turn(Event.TRANSPORT_CONFIRMED if confirmed else Event.TRANSPORT_INDICATED)

    def accept(self, accept: AssociateAccept) -> None:
        """A-ASSOCIATE response (accept)."""
        self._machine.turn(Event.ASSOCIATE_ACCEPTED, accept)

    def reject(self, reason: RejectReason) -> None:
        """A-ASSOCIATE response (reject)."""
        self._machine.turn(Event.ASSOCIATE_REJECTED, reason)

    def send_data(self, context_id: int, content: bytes, *, is_command: bool) -> None:
        """P-DATA request: one whole command set or data set, in as many PDUs as the peer asked for."""
        made = pdu.data_pdus(
            context_id, content, is_command=is_command, max_pdu_bytes=self._machine.peer_max_pdu_bytes
        )
        self._machine.turn(Event.DATA_REQUEST, made)

    def release(self) -> None:
        """A-RELEASE request."""
        self._machine.turn(Event.RELEASE_REQUEST)

    def respond_release(self) -> None:
        """A-RELEASE response."""
        self._machine.turn(Event.RELEASE_RESPONSE)

    def abort(
        self,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """A-ABORT request; the provider's source and reason where the caller acts as one."""
        self._machine.turn(Event.ABORT_REQUEST, told.AbortWish(source, reason))

    def artim_expired(self) -> None:
        """Nothing happens when it was not running."""
        if self.artim_start:
            self._machine.turn(Event.ARTIM_EXPIRED)

    def _read_data(self) -> bool:
        """All the P-DATA-TF that are there and hold one value each, as those of an image do, in one event."""
        if self.state is not State.DATA_TRANSFER:
            return False
        values, self._begin = pdu.data_run(self._buffer, self._begin, self._end, self._longest_data)
        if values:
            self._machine.turn(Event.DATA_PDU, values)
        return bool(values)

    def _grow(self) -> None:
        """To what the PDU that has begun claims, within its limit; to everything for an association."""
        size = self._buffer_bytes if self.state in _CARRIES_DATA else self._end + self.wanted()
        if size > len(self._buffer):
            larger = memoryview(bytearray(size))
            larger[: self._end] = self._buffer[: self._end]
            self._buffer = larger

    def _read_pdu(self) -> bool:
        """False while the PDU is not all there."""
        kind, length = pdu.header(self._buffer, self._begin)
        longest = self._longest_data if kind == PduType.DATA_TF else LONGEST_ASSOCIATE_BYTES
        if length > longest or (length > LONGEST_ASSOCIATE_BYTES and self.state in _BEFORE_ASSOCIATION):
            raise InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "pdu_too_long")
        begin = self._begin + HEADER_BYTES
        end = begin + length
        if end > self._end:
            return False
        self._begin = end
        event = _PDU_EVENTS[kind]  # pyright: ignore[reportArgumentType] # an IntEnum is its number
        self._machine.turn(event, self._content(event, begin, end))
        return True

    def _content(self, event: Event, begin: int, end: int) -> object:
        """Only what the state has a use for is read: what comes after an abort is not worth an opinion."""
        if event is Event.DATA_PDU:
            return pdu.data_values(self._buffer, begin, end) if self.state in _CARRIES_DATA else None
        if event is Event.ASSOCIATE_RQ_PDU and self.state is State.AWAITING_ASSOCIATE_RQ:
            return read_request(self._buffer[begin:end])
        if event is Event.ASSOCIATE_AC_PDU and self.state is State.AWAITING_ASSOCIATE_AC:
            return read_accept(self._buffer[begin:end])
        if event is Event.ASSOCIATE_RJ_PDU:
            return pdu.read_reject(self._buffer, begin)
        return pdu.read_abort(self._buffer, begin) if event is Event.ABORT_PDU else None

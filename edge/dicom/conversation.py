"""One association, from the connection to its end, on a thread of its own."""

from __future__ import annotations

from edge.dicom.connection import Connection
from edge.dicom.deposit import Deposit, Session, StoreRequest
from edge.dicom.dimse.collected import Collected
from edge.dicom.dimse.command_set import CommandField, CommandSet, InvalidCommand, Response, response_to
from edge.dicom.dimse.messages import Assembly, Message, Sink
from edge.dicom.dimse.services import Context
from edge.dicom.intake import Intake
from edge.dicom.offer import Offer, Patience
from edge.dicom.pace import Pace
from edge.dicom.status import usable_uid
from edge.dicom.upper_layer import events as told
from edge.dicom.upper_layer.associate import APPLICATION_CONTEXT, AssociateRequest
from edge.dicom.upper_layer.layer import UpperLayer
from edge.dicom.upper_layer.reasons import AbortReason, AbortSource, RejectReason
from edge.dicom.upper_layer.table import State
from edge.errors import where
from edge.telemetry.events import ConnectionAborted, TaskFailed

_BY_PROVIDER = (AbortSource.SERVICE_PROVIDER, AbortReason.NOT_SPECIFIED)
_BY_USER = (AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED)
# In one receive(2): one operation at a time was negotiated (PS3.7 D.3.3.3), so it can only be one.
_MOST_MESSAGES = 64
# What has come by the end of a wait is looked at once: it may have been this side that was late.
_LAST_LOOK_S = 0.001
_WRONG_CONTEXT = (AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU_PARAMETER)


class Conversation:
    """`run` returns once the connection is closed and the books of the association with it.

    Only `stop` and `turn_away` may be called from another thread.
    """

    def __init__(self, connection: Connection, intake: Intake, offer: Offer, patience: Patience) -> None:
        self.session: Session | None = None
        self._connection = connection
        self._intake = intake
        self._offer = offer
        self._patience = patience
        self._layer = UpperLayer(max_pdu_bytes=offer.max_pdu_bytes)
        self._assembly = Assembly({}, self._sink_for)
        self._pace = Pace(patience, intake.now())
        self.stopped, self._at_once = "", False
        self._connected, self._messages = False, 0

    @property
    def stranger(self) -> tuple[str, bool]:
        """For strangers.next_to_go."""
        return self._connection.peer.address, self._connection.heard_of

    def stop(self, reason: str) -> None:
        """Breaks the association off as soon as its thread looks up; `reason` in snake_case."""
        self.stopped = self.stopped or reason
        self._connection.interrupt()

    def turn_away(self, reason: str) -> None:
        """The same for a stranger, who is neither waited for nor told."""
        self._at_once = True
        self.stopped = self.stopped or reason
        self._connection.interrupt(sending=True)

    def run(self) -> None:
        """Never raises: what nobody expected ends this association alone."""
        try:
            self._converse()
        except OSError:
            # The peer is gone, or never agreed on TLS; its books are closed below.
            if not self._connected:
                self._tell(self.stopped or "tls_handshake_failed")
        except Exception as error:  # noqa: BLE001 - boundary: one association must not end the receiver
            self._intake.tell(TaskFailed("association", where(error)))
        finally:
            self._end("connection_lost")
            self._connection.close()

    def _converse(self) -> None:
        connection, layer, pace = self._connection, self._layer, self._pace
        connection.shake_hands(self._patience.artim_s)
        layer.connected()
        self._connected = True
        while not layer.should_close:
            space = layer.space()
            before, artim = self._intake.now(), layer.artim_start
            allowed_s = pace.allowed_s(before, artim)
            try:
                count = connection.receive(space, max(_LAST_LOOK_S, allowed_s))
            except TimeoutError:
                self._silent()
            else:
                self._heard(count, self._intake.now() - before)
                if allowed_s <= 0 and layer.artim_start == artim:
                    self._silent()
            sending = layer.bytes_to_send()
            if sending:
                # A stranger has no more time to take an answer than to ask.
                stranger = self.session is None
                connection.send(sending, self._patience.artim_s if stranger else self._patience.idle_s)
                if layer.state is State.AWAITING_CLOSE:
                    connection.say_no_more()

    def _heard(self, count: int, waited_s: float) -> None:
        layer = self._layer
        if self.stopped and layer.state is not State.AWAITING_CLOSE:
            self._break_off(self.stopped, self.stopped, _BY_PROVIDER)
            return
        self._messages = 0
        layer.received(0 if self._at_once else count)
        while (event := layer.next_event()) is not None:
            self._on(event)
        if layer.state is State.DATA_TRANSFER:
            busy = self._assembly.underway or layer.within_pdu
            trouble = self._pace.trouble(self._intake.now(), count, waited_s, busy=busy)
            if trouble:
                self._break_off(trouble, trouble, _BY_PROVIDER)

    def _silent(self) -> None:
        if self._layer.artim_start:
            if self._layer.state is State.AWAITING_ASSOCIATE_RQ:
                self._tell("artim_expired")
            self._layer.artim_expired()
        else:
            self._break_off("idle_timeout", "idle_timeout", _BY_PROVIDER)

    def _on(self, event: told.Indication) -> None:
        match event:
            case told.DataReceived(values):
                try:
                    for message in self._assembly.take(values):
                        self._message(message)
                except InvalidCommand as invalid:
                    wrong_context = invalid.detail == "presentation_context_not_accepted"
                    self._break_off(
                        "protocol_error", invalid.detail, _WRONG_CONTEXT if wrong_context else _BY_USER
                    )
            case told.AssociationRequested(request):
                self._requested(request)
            case told.AssociationRefused(_, reason):
                self._intake.refused(reason, self._connection.peer)
            case told.ReleaseRequested():
                self._end("")
                self._layer.respond_release()
            case told.Aborted(by_peer, source, _, detail):
                if by_peer:
                    by_user = source is AbortSource.SERVICE_USER
                    self._end("peer_aborted" if by_user else "peer_provider_aborted")
                else:
                    self._tell(detail)
                    self._end("protocol_error")
            case told.ConnectionLost():
                self._end("connection_lost")
            case _:
                raise AssertionError(f"{type(event).__name__} is for a requestor")

    def _requested(self, request: AssociateRequest) -> None:
        peer = self._connection.peer
        if request.application_context != APPLICATION_CONTEXT:
            admitted = RejectReason.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
            self._intake.refused(admitted, peer)
        else:
            admitted = self._intake.admit(calling=request.calling, called=request.called, peer=peer)
        if isinstance(admitted, RejectReason):
            self._layer.reject(admitted)
            return
        self.session = admitted
        accept, contexts = self._offer.negotiation(admitted.calling).answer(request)
        self._assembly = Assembly(contexts, self._sink_for)
        self._layer.accept(accept)

    def _sink_for(self, context: Context, command: CommandSet) -> Sink:
        assert self.session is not None, "nothing but an association brings messages"
        if not self._offer.stores(context, command):
            return self._offer.services.collected(command, context)
        named = command.sop_class_uid
        request = StoreRequest(
            sop_class_uid=named if usable_uid(named) else context.abstract_syntax,
            sop_instance_uid=command.sop_instance_uid,
            transfer_syntax_uid=context.transfer_syntax,
        )
        return self._intake.deposit(self.session, request)

    def _message(self, message: Message) -> None:
        try:
            self._answer(message)
        finally:
            if isinstance(message.sink, Collected):
                message.sink.abandon()

    def _answer(self, message: Message) -> None:
        command = message.command
        self._messages += 1
        if self._messages > _MOST_MESSAGES:
            raise InvalidCommand("answers_not_awaited")
        if command.field == CommandField.C_CANCEL:
            return
        if command.is_response:
            raise InvalidCommand("response_unexpected")
        response = self._response(message)
        if self._layer.state is State.DATA_TRANSFER:
            self._layer.send_data(message.context_id, response_to(command, response), is_command=True)
            if response.data_set:
                self._layer.send_data(message.context_id, response.data_set, is_command=False)

    def _response(self, message: Message) -> Response:
        if self._offer.stores(message.context, message.command):
            sink = message.sink or self._sink_for(message.context, message.command)
            assert isinstance(sink, Deposit), "sink_for has made it"
            answer = sink.finish()
            return Response(answer.status, answer.comment)
        assert self.session is not None
        collected = message.sink if isinstance(message.sink, Collected) else None
        return self._offer.services.answer(
            self.session, message.command, message.context, collected, self._service_failed
        )

    def _service_failed(self, error: Exception) -> None:
        self._intake.tell(TaskFailed("service", where(error)))

    def _break_off(self, ending: str, detail: str, how: tuple[AbortSource, AbortReason]) -> None:
        """A-ABORT from this side; `ending` goes into the journal, `detail` into the metric."""
        self._tell(detail)
        self._end(ending)
        if self._layer.can_abort:
            self._layer.abort(*how)
        else:
            self._layer.received(0)

    def _tell(self, reason: str) -> None:
        self._intake.tell(ConnectionAborted(reason, self._connection.peer.address))

    def _end(self, reason: str) -> None:
        """Closes the books, once: an instance that has begun is given up; no reason is a release."""
        sink = self._assembly.sink
        if isinstance(sink, Deposit | Collected):
            sink.abandon()
        session, self.session = self.session, None
        if session is None:
            return
        if reason:
            self._intake.aborted(session, reason)
        else:
            self._intake.released(session)

"""How a service class joins the receiver: a handler for each operation it answers, and nothing of wires.

A service says which abstract syntax it is, in which transfer syntaxes, and what answers each DIMSE
operation on it. For MPPS, for instance:

    def n_create(session: Session, request: Request) -> Response:
        ...                                  # request.data_set is the encoded Attribute List, whole
        return Response(0x0000)

    Service(
        abstract_syntax="1.2.840.10008.3.1.2.3.3",
        transfer_syntaxes=LITTLE_AND_BIG_ENDIAN,
        operations={CommandField.N_CREATE: n_create, CommandField.N_SET: n_set},
    )

and `Services((VERIFICATION, mpps(store, clock)))` where the receiver is wired. The receiver negotiates
the presentation context, collects the data set up to `most_data_set_bytes` in memory (all that are under
way together up to `most_together_bytes`, see collected.py), calls the handler on the association's own
thread, and sends the response; a handler may block for as long as the peer is willing to wait, and what it
raises is answered with 0x0110 Processing Failure. `session` names the association in the journal and both AE
titles. An operation nobody answers gets 0x0211 Unrecognized Operation, a data set that is too large or finds
no room 0x0213 Resource Limitation, and what a peer asks on a context that was not accepted aborts the
association. C-STORE is no service of this kind: its data set goes to disk while it comes, see
edge/dicom/conversation.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from edge.dicom.dimse.collected import NO_ROOM, Collected, Room
from edge.dicom.dimse.command_set import CommandField, CommandSet, Response
from edge.domain.identity import AssociationId

LITTLE_AND_BIG_ENDIAN = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_SOP_CLASS = 0x0118
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213
# Who asks again at once would keep the processor busy with data sets that are only dropped.
_BEFORE_REFUSAL_S = 0.5


class Session(Protocol):
    """The association a request came on."""

    @property
    def association_id(self) -> AssociationId: ...
    @property
    def calling(self) -> str: ...
    @property
    def called(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context."""

    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `data_set` is whole, encoded in the context's transfer syntax, empty when none came."""

    command: CommandSet
    context: Context
    data_set: bytes


Handler = Callable[[Session, Request], Response]


@dataclass(frozen=True, slots=True)
class Service:
    """One SOP class, but for storage; `transfer_syntaxes` in our order of preference."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    operations: Mapping[CommandField, Handler]


def _echo(_session: Session, _request: Request) -> Response:
    return Response(SUCCESS)


VERIFICATION = Service("1.2.840.10008.1.1", LITTLE_AND_BIG_ENDIAN, {CommandField.C_ECHO: _echo})


class Services:
    """What the receiver answers besides C-STORE."""

    def __init__(
        self,
        services: Iterable[Service],
        *,
        most_data_set_bytes: int = 1 << 20,
        most_together_bytes: int = 4 << 20,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._most_data_set_bytes = most_data_set_bytes
        self._room = Room(most_together_bytes)
        self._wait = wait
        self._services = {service.abstract_syntax: service for service in services}

    def transfer_syntaxes(self) -> dict[str, tuple[str, ...]]:
        """By abstract syntax, for negotiation."""
        return {uid: service.transfer_syntaxes for uid, service in self._services.items()}

    def collected(self, command: CommandSet, context: Context) -> Collected:
        """Where the data set of such a request goes; of one that nobody answers nothing is kept."""
        answered = self.handler(command, context) is not None
        return Collected(self._most_data_set_bytes if answered else 0, self._room)

    def answer(
        self,
        session: Session,
        command: CommandSet,
        context: Context,
        collected: Collected | None,
        failed: Callable[[Exception], None],
    ) -> Response:
        """Never raises, for the peer must get an answer; `failed` is told what nobody expected."""
        if command.field == CommandField.C_STORE:
            return Response(SOP_CLASS_NOT_SUPPORTED)
        handler = self.handler(command, context)
        if handler is None:
            return Response(UNRECOGNIZED_OPERATION)
        if collected is not None and collected.refusal:
            self._wait(_BEFORE_REFUSAL_S)
            return Response(RESOURCE_LIMITATION, collected.refusal)
        try:
            data_set = collected.content() if collected is not None else b""
            return handler(session, Request(command, context, data_set))
        except MemoryError:
            return Response(RESOURCE_LIMITATION, NO_ROOM)
        except Exception as error:  # noqa: BLE001 - boundary: the peer must get an answer
            failed(error)
            return Response(PROCESSING_FAILURE, "Internal error")

    def handler(self, command: CommandSet, context: Context) -> Handler | None:
        """None when nobody answers this operation on this context."""
        service = self._services.get(context.abstract_syntax)
        if service is None or command.field not in service.operations:
            return None
        return service.operations[CommandField(command.field)]

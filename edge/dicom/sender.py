"""The virtual scanner: carries out a SendPlan as a C-STORE SCU and reports every answer."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from pydicom.uid import UID
from pynetdicom import _config, evt  # pyright: ignore[reportPrivateUsage] # the documented way in
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.transport import AssociationSocket

from edge.dicom.admission import RejectReason
from edge.dicom.send_plan import Abort, Associate, Release, Send, SendPlan, TlsFiles, plan_sends
from edge.dicom.send_source import Outgoing, load
from edge.dicom.step_sender import step_told
from edge.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from edge.errors import FixConfiguration, RetryPeer
from edge.ports import Clock

# Files go out byte by byte as they are on disk, as a scanner would; and nothing is formatted for logs.
_config.STORE_SEND_CHUNKED_DATASET = True
_config.LOG_HANDLER_LEVEL = "none"

_CONNECT_S = 10.0
_MAX_PDU_BYTES = 131072


@dataclass(frozen=True, slots=True)
class SentInstance:
    """One C-STORE: `status` is None when no answer came; times in monotonic seconds and UTC."""

    series_instance_uid: str
    sop_instance_uid: str
    series: int
    index: int
    status: int | None
    comment: str
    sent_monotonic: float
    answered_monotonic: float
    sent_utc: datetime
    answered_utc: datetime


@dataclass(frozen=True, slots=True)
class SendReport:
    """In order of sending; `aborted` when the plan ended with an abort."""

    instances: tuple[SentInstance, ...]
    aborted: bool

    @property
    def not_stored(self) -> tuple[SentInstance, ...]:
        """Those with any other answer than 0x0000, or none."""
        return tuple(i for i in self.instances if i.status != 0)


class SendFailed(RetryPeer):
    """The receiver did not take everything; `report` tells what it did take."""

    def __init__(self, message: str, report: SendReport, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.report = report


def run(
    plan: SendPlan,
    *,
    clock: Clock,
    on_progress: Callable[[SentInstance], None] = lambda sent: None,
    sleep: Callable[[float], None] = time.sleep,
) -> SendReport:
    """Blocks until the plan is done.

    Raises FixConfiguration when the receiver refuses us for good, RetryPeer when it is away or
    full, SendFailed when it answered any instance with another status than 0x0000.
    """
    series = [one for source in plan.sources for one in load(source, plan.transfer_syntax, clock.utc())]
    scanner = _Scanner(plan, series, clock)
    steps = plan_sends([len(one) for one in series], plan)
    start = clock.monotonic()
    try:
        with step_told(plan.mpps, series, scanner.connect, clock):
            for step in steps:
                if isinstance(step, Send):
                    sleep(max(0.0, start + step.due_s - clock.monotonic()))
                    on_progress(scanner.send(step))
                elif isinstance(step, Associate):
                    scanner.associate()
                elif isinstance(step, Release):
                    scanner.release()
                else:
                    scanner.abort()
    finally:
        scanner.abort()
    report = SendReport(tuple(scanner.sent), aborted=bool(steps) and isinstance(steps[-1], Abort))
    _raise_unless_stored(report)
    return report


def _raise_unless_stored(report: SendReport) -> None:
    refused = report.not_stored
    if refused:
        kinds = sorted({_words(one) for one in refused})
        raise SendFailed(
            f"{len(refused)} of {len(report.instances)} instances not plainly stored: {'; '.join(kinds)}",
            report,
            hint="The receiver's log and metrics name the reason; 0xA7xx means it has no room.",
        )


def _words(sent: SentInstance) -> str:
    status = "no answer" if sent.status is None else f"0x{sent.status:04X}"
    return f"{status} ({sent.comment})" if sent.comment else status


class _Scanner:
    """The SCU while the plan runs; at most one association at a time."""

    def __init__(self, plan: SendPlan, series: list[list[Outgoing]], clock: Clock) -> None:
        self._plan = plan
        self._series = series
        self._clock = clock
        self._tls = _context(plan.tls) if plan.tls is not None else None
        self._association: Association | None = None
        self.sent: list[SentInstance] = []

    def associate(self) -> None:
        self._association = self.connect(self._contexts())

    def connect(self, contexts: list[PresentationContext]) -> Association:
        entity = ApplicationEntity(self._plan.calling_ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.dimse_timeout = entity.acse_timeout = self._plan.answer_s
        entity.network_timeout = None
        entity.connection_timeout = min(_CONNECT_S, self._plan.answer_s)
        associate = cast(
            "Callable[..., Association]",
            entity.associate,  # pyright: ignore[reportUnknownMemberType] # its handlers are untyped
        )
        association = associate(
            self._plan.host,
            self._plan.port,
            contexts=contexts,
            ae_title=self._plan.called_ae_title,
            max_pdu=_MAX_PDU_BYTES,
            tls_args=(self._tls, self._plan.host) if self._tls is not None else None,
            evt_handlers=[(evt.EVT_CONN_OPEN, _no_delay)],
        )
        if not association.is_established:
            raise _refusal(association, self._plan)
        return association

    def send(self, step: Send) -> SentInstance:
        one = self._series[step.series][step.index]
        association = self._association
        sent_monotonic, sent_utc = self._clock.monotonic(), self._clock.utc()
        status, comment = None, ""
        if association is not None and association.is_established:
            try:
                answer = association.send_c_store(one.content, msg_id=len(self.sent) % 65535 + 1)
            except ValueError:
                comment = "the receiver accepts no presentation context for this object"
            else:
                status, comment = answer.get("Status"), str(answer.get("ErrorComment", ""))
        else:
            comment = "association lost"
        sent = SentInstance(
            series_instance_uid=one.series_instance_uid,
            sop_instance_uid=one.sop_instance_uid,
            series=step.series,
            index=step.index,
            status=status,
            comment=comment,
            sent_monotonic=sent_monotonic,
            answered_monotonic=self._clock.monotonic(),
            sent_utc=sent_utc,
            answered_utc=self._clock.utc(),
        )
        self.sent.append(sent)
        return sent

    def release(self) -> None:
        if self._association is not None:
            self._association.release()
        self._association = None

    def abort(self) -> None:
        if self._association is not None:
            self._association.abort()
        self._association = None

    def _contexts(self) -> list[PresentationContext]:
        kinds = dict.fromkeys(
            (one.sop_class_uid, one.transfer_syntax_uid) for series in self._series for one in series
        )
        return [build_context(sop_class, UID(syntax)) for sop_class, syntax in kinds]


def _context(files: TlsFiles) -> ssl.SSLContext:
    from edge.tls.profile import client_context, show_certificate  # noqa: PLC0415 - only with --tls

    try:
        context = client_context(files.ca_file)
        show_certificate(context, files.certificate_file, files.key_file)
    except (OSError, ssl.SSLError) as error:
        raise FixConfiguration(
            f"the files for TLS cannot be used: {error}",
            hint="In this order: CA, certificate, key; the key must belong to the certificate.",
        ) from error
    return context


def _no_delay(event: Event) -> None:
    """Without it Nagle and delayed ACK stall every object by 40 ms."""
    connection = cast("AssociationSocket", event.assoc.dul.socket).socket
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _refusal(association: Association, plan: SendPlan) -> FixConfiguration | RetryPeer:
    peer = f"{plan.called_ae_title} at {plan.host}:{plan.port}"
    answer = association.acceptor.primitive
    if isinstance(answer, A_ASSOCIATE) and answer.result:
        wire = (answer.result, answer.result_source, answer.diagnostic)
        label = next((r.label.replace("_", " ") for r in RejectReason if r.value == wire), str(wire))
        if answer.result == 1:
            return FixConfiguration(
                f"{peer} rejects {plan.calling_ae_title} for good: {label}",
                hint="Compare the AE titles with dicom.ae_title, dicom.calling_ae_titles and dicom.peers.",
            )
        return RetryPeer(f"{peer} rejects for now: {label}", hint="Try again when it is less busy.")
    hint = "Is the receiver running, and are host and port right?"
    if plan.tls is not None:
        hint += " If a TLS handshake failed, its log says why."
    return RetryPeer(f"{peer} does not answer", hint=hint)

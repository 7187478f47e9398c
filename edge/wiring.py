"""The agent made from settings; the receiver is made in receiver_wiring.py."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing

from edge import __version__
from edge.agent import Agent
from edge.analysis import DecodedSlices
from edge.audit_agent_wiring import sending_audit, transfers_told
from edge.audit_trail import AuditTrail
from edge.audit_wiring import auditing
from edge.clock import SystemClock
from edge.clock_watch import ClockWatch
from edge.conditions import limits_of
from edge.dicom.decoder_pool import DecoderPool
from edge.dicom.decoder_process import DecoderLimits
from edge.dicom.reader import DicomReader
from edge.domain.canary import Part
from edge.domain.scanner import Scanners
from edge.errors import where
from edge.intake import take
from edge.models.contract import load_clinical_model
from edge.mqtt.drafts import AlertMessages
from edge.overload import measure_queue
from edge.paging_wiring import publishing
from edge.ports import Ledger
from edge.proof import Blame, Proof
from edge.pulse import Pulse
from edge.reconstructions import Reconstructions
from edge.retention import Looks, measure, retain, rules_of
from edge.second_channel_wiring import second_channels
from edge.settings import ReadingSettings, Settings
from edge.spool.doorbell import Doorbell
from edge.spool.identity_key import appliance_key
from edge.spool.journal import InboxJournal
from edge.spool.ledger import SqliteLedger
from edge.spool.lock import exclusive
from edge.spool.quarantine import Quarantine, QuarantiningReader
from edge.surroundings import Reading, Surroundings
from edge.telemetry.emit import Emitter
from edge.telemetry.endpoint import Health, TelemetryEndpoint
from edge.telemetry.events import ApplianceStarted, ApplianceStopping, Happening, TaskFailed
from edge.triton.canary import load_canary
from edge.triton.client import TritonServer
from edge.triton.dispatch import InferenceDispatcher, Policy
from edge.triton.embedded import stop_server
from edge.triton.fallback import OnnxWorker
from edge.triton.model_check import check_model
from edge.triton.restarts import RestartRemedy
from edge.watchdog import Watchdog

# A known answer takes milliseconds; a server that needs longer than this for it hangs.
CANARY_S = 2.0
# What has to come round again and again for systemd not to restart the agent.
PARTS = ("journal", "inference", "outbox", "alerts", "proof")
# An attempt at inference is bounded by triton.deadline_s; a minute without the end of any is no attempt.
STANDS_STILL_S = 60.0
# About 250 slices of 512x512; a slice that is needed again later is read again.
DECODED_BYTES = 128 * 1024**2


def run_agent(settings: Settings) -> None:
    """`edge run` until SIGTERM or SIGINT; raises FixConfiguration or RefuseModel when it cannot start."""
    state_dir, clock = settings.appliance.state_dir, SystemClock()
    emitter = _emitter(settings, "agent")
    # The ledger closes after asyncio.run has joined the worker threads that may still write to it.
    with (
        exclusive(state_dir, "agent"),
        closing(SqliteLedger(state_dir, clock=clock, rules=settings.alerting.rules)) as ledger,
        closing(InboxJournal(state_dir)) as journal,
        closing(DecoderPool(_limits(settings.reading), emitter.emit)) as decoders,
    ):
        decoders.start()
        journal.finish_parts()
        with auditing(settings, clock, emitter.emit) as audit:
            asyncio.run(_agent(settings, ledger, journal, decoders, emitter, audit))


async def _agent(
    settings: Settings,
    ledger: SqliteLedger,
    journal: InboxJournal,
    decoders: DecoderPool,
    emitter: Emitter,
    audit: AuditTrail,
) -> None:
    clock, state_dir = SystemClock(), settings.appliance.state_dir
    pulse = Pulse(audit.emit, clock, limits_of(settings))
    proof = pulse.proof = Proof(state_dir, settings.canary, clock, pulse.emit)
    clock_watch = pulse.clock_watch = ClockWatch(clock, pulse.emit)
    watchdog = pulse.watchdog = Watchdog(PARTS)
    blame = Blame(state_dir, (Part.AGENT, Part.OUTBOX))
    folder = settings.models.repository / settings.models.active
    check_model(folder)
    messages = AlertMessages(settings)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    pixels = _quarantining(settings, DicomReader(state_dir, decoders.decode), clock, pulse.emit)
    async with _inference(settings, pulse, clock) as dispatcher:
        around = Surroundings(
            model=load_clinical_model(folder),
            pixels=pixels,
            inference=dispatcher,
            ledger=ledger,
            messages=messages,
            clock=clock,
            emit=pulse.emit,
            timers=settings.completeness,
            deadline_s=settings.triton.deadline_s,
            decoded=DecodedSlices(DECODED_BYTES),
            reading=Reading(),
            reconstructions=Reconstructions(ledger),
        )
        scanners = Scanners(settings.appliance.scanners, settings.appliance.test_scanners)
        agent = Agent(around, journal, appliance_key(state_dir), scanners)
        pulse.progress = agent.progress
        endpoint = TelemetryEndpoint(
            settings.telemetry.host, settings.telemetry.agent_port, emitter.registry, lambda: _health(pulse)
        )
        with closing(endpoint), closing(Doorbell(state_dir)) as doorbell:
            known = agent.recovery
            taken = take(journal, around, doorbell.wait, known.concluded, pulse.looked, known.begin)
            if audit.on:
                taken = transfers_told(state_dir, journal, ledger, audit, known.begin).over(taken)
            async with (
                publishing(settings, ledger, messages, pulse, clock, watchdog.turned),
                second_channels(settings, ledger, clock, pulse.emit),
                sending_audit(settings, clock, pulse.emit),
                asyncio.TaskGroup() as tasks,
            ):
                pulse.emit(ApplianceStarted("agent", __version__, f"model {settings.models.active}"))
                running = [
                    tasks.create_task(dispatcher.run()),
                    tasks.create_task(agent.run(taken)),
                    tasks.create_task(
                        _watch(
                            ledger,
                            proof,
                            clock_watch,
                            dispatcher.stands_still,
                            lambda: blame.stuck(behind=pulse.behind(around.reading)),
                            watchdog,
                        )
                    ),
                    tasks.create_task(measure(state_dir, pulse.emit)),
                    tasks.create_task(measure_queue(dispatcher.load, around.backlog, pulse.emit)),
                    tasks.create_task(
                        retain(
                            Looks(state_dir, rules_of(settings.retention), clock, lambda: clock_watch.sure),
                            ledger.removals.request,
                            pulse.emit,
                        )
                    ),
                ]
                watchdog.ready()
                await stopping.wait()
                watchdog.stopping()
                pulse.emit(ApplianceStopping("agent", "signal"))
                for task in running:
                    task.cancel()


@asynccontextmanager
async def _inference(
    settings: Settings, pulse: Pulse, clock: SystemClock
) -> AsyncGenerator[InferenceDispatcher]:
    """Triton behind its queue, with the ONNX Runtime worker as a fallback when settings allow it."""
    chosen, model = settings.triton, settings.models.active
    folder = settings.models.repository / model
    server = TritonServer(
        chosen.grpc_url, shared_memory=chosen.shared_memory, in_flight=chosen.in_flight, emit=pulse.emit
    )
    fallback = OnnxWorker(model, folder / "1" / "model.onnx") if chosen.fallback else None

    async def reload() -> None:
        await server.reload(model)

    restart = RestartRemedy(lambda: stop_server(settings.appliance.state_dir), reload, clock, pulse.emit)
    dispatcher = InferenceDispatcher(
        server,
        load_canary(folder, min(CANARY_S, chosen.deadline_s)),
        Policy(in_flight=chosen.in_flight, attempts=chosen.attempts),
        clock,
        pulse.emit,
        fallback=fallback,
        remedies=[reload, restart] if chosen.mode == "embedded" else [reload],
    )
    try:
        yield dispatcher
    finally:
        await server.close()
        if fallback is not None:
            await fallback.close()


async def _watch(
    ledger: Ledger,
    proof: Proof,
    clock_watch: ClockWatch,
    stands_still: Callable[[float], bool],
    stuck: Callable[[], bool],
    watchdog: Watchdog,
) -> None:
    """Ends the agent by OSError when its ledger can keep nothing any more; a supervisor starts it afresh."""
    while True:
        ledger.check()
        proof.look()
        clock_watch.look()
        if not stands_still(STANDS_STILL_S):
            watchdog.turned("inference")
        if not stuck():
            watchdog.turned("proof")
        await asyncio.sleep(1.0)


def _quarantining(
    settings: Settings, reader: DicomReader, clock: SystemClock, emit: Callable[[Happening], None]
) -> QuarantiningReader:
    state_dir, most_bytes = settings.appliance.state_dir, settings.reading.quarantine_mib * 1024**2
    kept = Quarantine(state_dir, appliance_key(state_dir), max_bytes=most_bytes, clock=clock, emit=emit)
    return QuarantiningReader(reader, kept, lambda error: emit(TaskFailed("quarantine", where(error))))


def _limits(reading: ReadingSettings) -> DecoderLimits:
    return DecoderLimits(
        workers=reading.decoders,
        deadline_s=reading.decoder_deadline_s,
        memory_bytes=reading.decoder_memory_mib * 1024**2,
        frames_per_worker=reading.frames_per_decoder,
    )


def _health(pulse: Pulse) -> Health:
    modes = ", ".join(pulse.conditions.now.names)
    facts = {"triton": pulse.triton, "broker": pulse.broker_connected, "modes": modes}
    canary = pulse.proof.word if pulse.proof else ""
    more = {"series_open": pulse.progress.series_open, "canary": canary}
    return Health(pulse.alive, {**facts, **more})


def _emitter(settings: Settings, role: str) -> Emitter:
    return Emitter(role, settings.telemetry.log_format, settings.telemetry.log_level)

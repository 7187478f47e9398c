"""The part of the wiring that speaks to pagers and hears them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from edge.alert_watch import AlertWatch
from edge.clock import SystemClock
from edge.errors import where
from edge.mqtt.answers import AnswerReader
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages, summarise
from edge.mqtt.progress import Progress as HeartbeatProgress
from edge.mqtt.quiet_notices import NoticeMessages
from edge.mqtt.topics import Topics
from edge.ports import OutboundMessage
from edge.publisher import Publisher
from edge.pulse import Pulse
from edge.quiet_watch import QuietWatch
from edge.settings import Settings
from edge.spool.ledger import SqliteLedger
from edge.spool.quiet_requests import QuietRequestFiles
from edge.telemetry.events import TaskFailed


@asynccontextmanager
async def publishing(
    settings: Settings,
    ledger: SqliteLedger,
    messages: AlertMessages,
    pulse: Pulse,
    clock: SystemClock,
    turned: Callable[[str], None] = lambda _: None,
) -> AsyncGenerator[None]:
    """Outbox, answers and what becomes of alerts; what is unsent at the end stays in the outbox.

    `turned` is told when the outbox or the alerts have come round once more.
    """
    # The client id is the appliance's name, so that a second appliance of that name is noticed.
    channel = MqttChannel(settings.mqtt, settings.appliance.name, messages.presence(clock), pulse.emit)

    notices = NoticeMessages(settings)
    requests = QuietRequestFiles(
        settings.appliance.state_dir, lambda error: pulse.emit(TaskFailed("quiet_request", where(error)))
    )
    rules = settings.alerting.rules
    quiet = QuietWatch(ledger.quiet, requests, notices, rules, clock, pulse.emit)

    def status() -> OutboundMessage:
        words = [notices.words(q) for q in quiet.in_force]
        return messages.condition(pulse.conditions.now, pulse.conditions.wait_s, words)

    def heartbeat() -> OutboundMessage:
        progress = HeartbeatProgress(
            journal_sequence=pulse.progress.last_sequence,
            slices_decoded=pulse.progress.slices_decoded,
            slabs_inferred=pulse.slabs_inferred,
            series_open=pulse.progress.series_open,
            outbox_depth=ledger.outbox_depth()[0],
            last_outcome_age_s=pulse.last_outcome_age_s(),
            triton=pulse.triton,
            modes=pulse.conditions.now.names,
            inference_wait_s=pulse.conditions.wait_s,
            quiet=tuple(dict.fromkeys(q.kind for q in quiet.in_force)),
            held=quiet.held,
            messages_published=pulse.messages_published,
            proven_page_age_s=pulse.proof.proven_age_s if pulse.proof else None,
            canary=pulse.proof.word if pulse.proof else "",
            clock_synchronised=pulse.clock_watch.synchronised if pulse.clock_watch else None,
            clock_drift_s=pulse.clock_watch.drift.drift_s if pulse.clock_watch else 0.0,
        )
        return messages.heartbeat(clock.utc(), progress)

    publisher = Publisher(
        ledger,
        channel,
        clock,
        pulse.emit,
        settings.mqtt,
        summarise=summarise,
        heartbeat=heartbeat,
        status=status,
        register=ledger.alerts,
        turned=lambda: turned("outbox"),
    )
    watch = AlertWatch(
        ledger.alerts,
        messages,
        settings.alerting,
        clock,
        pulse.emit,
        afterwards=quiet.turn,
        turned=lambda: turned("alerts"),
    )
    ledger.on_enqueued(watch.look)
    answers = AnswerReader(
        settings.mqtt,
        f"{settings.appliance.name}-answers",
        Topics.of(settings).ack,
        ledger.alerts.acknowledge,
        pulse.emit,
        session_lost=watch.broker_forgot,
        had_session=ledger.alerts.has_published(),
    )
    threads = [
        threading.Thread(target=publisher.run, name="publisher", daemon=True),
        threading.Thread(target=watch.run, name="alert-watch", daemon=True),
    ]
    channel.start()
    answers.start()
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        watch.stop()
        publisher.stop()
        await asyncio.to_thread(answers.close)
        await asyncio.to_thread(channel.close)
        for thread in threads:
            await asyncio.to_thread(thread.join, settings.mqtt.puback_timeout_s)

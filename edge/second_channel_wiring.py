"""The part of the wiring that tells by a command or by e-mail what no pager answers, or no page can say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager

from edge.canary_alarm import CanaryAlarm
from edge.clock import SystemClock
from edge.domain.canary import Verdict
from edge.domain.second_channel import Channel
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.notices import alarm_of, notice_of
from edge.notify.hook import HookChannel
from edge.notify.mail import MailChannel
from edge.ports import Clock
from edge.second_channel import Patience, SecondChannel
from edge.settings import Settings
from edge.spool.ledger import SqliteLedger
from edge.telemetry.events import Happening


@asynccontextmanager
async def second_channels(
    settings: Settings, ledger: SqliteLedger, clock: Clock, emit: Callable[[Happening], None]
) -> AsyncGenerator[None]:
    """Those that are set up; an attempt under way at the end is waited for as long as it may take."""
    running = list[tuple[SecondChannel, threading.Thread, float]]()
    for name, channel, patience, timeout_s in _chosen(settings, clock):
        teller = SecondChannel(
            name, channel, patience, ledger.alerts.notices, ledger.alerts.message, notice_of, clock, emit
        )
        thread = threading.Thread(target=teller.run, name=f"second-channel-{name}", daemon=True)
        thread.start()
        running.append((teller, thread, timeout_s))
    try:
        yield
    finally:
        for teller, _, _ in running:
            teller.stop()
        for _, thread, timeout_s in running:
            await asyncio.to_thread(thread.join, timeout_s + 1.0)


@contextmanager
def canary_alarms(
    settings: Settings, before: Verdict | None, emit: Callable[[Happening], None]
) -> Generator[tuple[CanaryAlarm, ...]]:
    """The same channels for what the canary finds; see `second_channels` for the end."""
    messages, name = AlertMessages(settings), settings.appliance.name
    running = list[tuple[CanaryAlarm, threading.Thread, float]]()
    for kind, channel, _, timeout_s in _chosen(settings, SystemClock()):
        alarm = CanaryAlarm(kind, channel, lambda v: alarm_of(v, messages, name), before, emit)
        thread = threading.Thread(target=alarm.run, name=f"canary-alarm-{kind}", daemon=True)
        thread.start()
        running.append((alarm, thread, timeout_s))
    try:
        yield tuple(alarm for alarm, _, _ in running)
    finally:
        for alarm, _, _ in running:
            alarm.stop()
        for _, thread, timeout_s in running:
            thread.join(timeout_s + 1.0)


def _chosen(
    settings: Settings, clock: Clock
) -> Iterator[tuple[Channel, HookChannel | MailChannel, Patience, float]]:
    hook, mail = settings.hook, settings.mail
    if hook.command:
        yield Channel.HOOK, HookChannel(hook), Patience(hook.after_s, hook.per_minute), hook.timeout_s
    if mail.host is not None:
        channel = MailChannel(mail, settings.appliance.name, clock)
        yield Channel.MAIL, channel, Patience(mail.after_s, mail.per_minute), mail.timeout_s

"""The part of the wiring that tells pages by a command or by e-mail when no pager answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from edge.domain.second_channel import Channel
from edge.mqtt.notices import notice_of
from edge.notice_ports import NoticeChannel
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
    hook, mail, chosen = settings.hook, settings.mail, list[tuple[Channel, NoticeChannel, Patience, float]]()
    if hook.command:
        patience = Patience(hook.after_s, hook.per_minute)
        chosen.append((Channel.HOOK, HookChannel(hook), patience, hook.timeout_s))
    if mail.host is not None:
        patience = Patience(mail.after_s, mail.per_minute)
        channel = MailChannel(mail, settings.appliance.name, clock)
        chosen.append((Channel.MAIL, channel, patience, mail.timeout_s))
    running = list[tuple[SecondChannel, threading.Thread, float]]()
    for name, channel, patience, timeout_s in chosen:
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

"""`edge maintenance` and `edge mute`: nobody is rung for a while, on purpose, and nothing is lost by it."""

from __future__ import annotations

import argparse
import getpass
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

from edge.clock import SystemClock
from edge.domain.identity import AETitle
from edge.domain.quiet import Quiet, QuietEvent, QuietKind, span
from edge.errors import FixConfiguration, RejectInput
from edge.settings import Settings
from edge.settings_source import load_settings
from edge.spool.database import open_reader
from edge.spool.entries import INBOX_DATABASE, INBOX_SCHEMA
from edge.spool.ledger import LEDGER_DATABASE, LEDGER_SCHEMA
from edge.spool.quiet_register import held_of
from edge.spool.quiet_requests import QuietRequestFiles, leave, taken
from edge.spool.quiet_rows import calling_titles, latest_quiets

TAKEN_WITHIN_S = 5.0
MOST_REASON = 120
_LASTS = "90s, 30m, 2h"

ABOUT = """While it is on, a finding rings nobody: it goes to the worklist at once. It ends by itself, and
every finding that no human has acknowledged by then rings, the newest first and as many as the
budget (alerting.budget); the others stay on the worklist. Pages that rang before go on being escalated.
With --test findings go to the topic `test/alert` instead, for a tester with `edge pager --role test`. Who,
why and until when is in the ledger's trail; pagers and the retained status are told without the reason."""
ABOUT_MUTE = """As `edge maintenance`, for the series of one scanner, by its calling AE title.
Without a title it lists what is muted."""


def add_subcommands(maintenance: argparse.ArgumentParser, mute: argparse.ArgumentParser) -> None:
    """`on`, `off` and `status`, and the options of `edge mute`."""
    actions = maintenance.add_subparsers(title="actions", required=True, metavar="ACTION")
    on = actions.add_parser("on", help="hold findings back until the time is up", description=ABOUT)
    on.add_argument("--test", action="store_true", help="findings ring a test pager meanwhile")
    _add_order(on, required=True)
    on.set_defaults(command=_maintenance_on)
    off = actions.add_parser(
        "off", help="end maintenance and test now; what was held back rings up to the budget"
    )
    off.set_defaults(command=_maintenance_off)
    status = actions.add_parser("status", help="what is quiet, until when and why, and what is held back")
    status.set_defaults(command=_status)
    mute.add_argument("scanner", nargs="?", metavar="AE_TITLE", help="calling AE title of the scanner")
    mute.add_argument(
        "--off", action="store_true", help="end it now; what was held back rings up to the budget"
    )
    _add_order(mute, required=False)
    mute.set_defaults(command=_mute, parser=mute)


def _add_order(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--for", dest="span", type=_span, required=required, metavar="TIME", help="90s, 30m, 2h"
    )
    parser.add_argument(
        "--reason", type=_reason, required=required, metavar="TEXT", help="for the record; no patient data"
    )


def _span(text: str) -> timedelta:
    try:
        return span(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or len(reason) > MOST_REASON or not reason.isprintable():
        raise argparse.ArgumentTypeError(f"a reason has 1 to {MOST_REASON} printable characters")
    return reason


def _maintenance_on(args: argparse.Namespace) -> int:
    settings = load_settings(args.config, os.environ)
    kind = QuietKind.TEST if args.test else QuietKind.MAINTENANCE
    return _ask(settings, [_began(settings, kind, "", args.span, args.reason)])


def _maintenance_off(args: argparse.Namespace) -> int:
    settings = load_settings(args.config, os.environ)
    return _ask(settings, [_ended(kind, "") for kind in (QuietKind.MAINTENANCE, QuietKind.TEST)])


def _mute(args: argparse.Namespace) -> int:
    settings = load_settings(args.config, os.environ)
    if args.scanner is None:
        if args.off or args.span or args.reason:
            args.parser.error("which scanner? edge mute AE_TITLE --for 2h --reason TEXT")
        return _status(args)
    try:
        scanner = AETitle(args.scanner)
    except ValueError as error:
        raise RejectInput("ae_title", str(error)) from error
    if args.off:
        return _ask(settings, [_ended(QuietKind.MUTE, scanner)])
    lasts: timedelta | None = args.span
    reason: str | None = args.reason
    if lasts is None or reason is None:
        args.parser.error("a mute needs --for and --reason, or --off")
        raise AssertionError("argparse has ended the process")
    code = _ask(settings, [_began(settings, QuietKind.MUTE, scanner, lasts, reason)])
    if scanner not in (known := _calling(settings)):
        print(f"{scanner} has not called this appliance so far: {', '.join(known) or 'nobody has'}")
    return code


def _calling(settings: Settings) -> list[str]:
    reader = open_reader(settings.appliance.state_dir / INBOX_DATABASE, INBOX_SCHEMA)
    if reader is None:
        return []
    with closing(reader) as journal:
        return calling_titles(journal)


def _status(args: argparse.Namespace) -> int:
    settings = load_settings(args.config, os.environ)
    print("\n".join(_lines(settings, SystemClock().utc())))
    return 0


def _lines(settings: Settings, now: datetime) -> Iterator[str]:
    state_dir = settings.appliance.state_dir
    reader = open_reader(state_dir / LEDGER_DATABASE, LEDGER_SCHEMA)
    if reader is None:
        yield "nothing is quiet: there is no ledger yet"
    else:
        with closing(reader) as ledger:
            quiets = [q for q in latest_quiets(ledger) if q.in_force(now)]
            held = held_of(ledger)
        for quiet in quiets:
            minutes = (quiet.until - now).total_seconds() / 60
            until = f"until {quiet.until:%Y-%m-%d %H:%M:%S} UTC, {minutes:.0f} min left"
            yield f"{_named(quiet)} {until}: {quiet.reason} ({quiet.asked_by})"
        yield from () if quiets else ("nothing is quiet: findings ring",)
        by_reason = sorted({h.demoted for h in held})
        counts = ", ".join(f"{sum(h.demoted == r for h in held)} by {r}" for r in by_reason)
        yield f"on the worklist and not acknowledged: {counts or 'none'}"
    for order in QuietRequestFiles(state_dir, _unreadable).waiting():
        yield f"not yet taken by the agent: {_named(order)} {order.event}"


def _unreadable(error: Exception) -> None:
    raise FixConfiguration(f"a request in the state folder cannot be read: {error}")


def _began(settings: Settings, kind: QuietKind, scanner: str, lasts: timedelta, reason: str) -> Quiet:
    longest = settings.alerting.longest_quiet_s
    if lasts.total_seconds() > longest:
        raise FixConfiguration(
            f"--for is longer than alerting.longest_quiet_s ({longest:g} s)",
            hint="Ask for less and prolong it later, or raise that setting.",
        )
    now = SystemClock().utc()
    order = uuid.uuid4().hex
    return Quiet(order, QuietEvent.BEGAN, kind, scanner, now, now + lasts, reason, getpass.getuser())


def _ended(kind: QuietKind, scanner: str) -> Quiet:
    now = SystemClock().utc()
    return Quiet(uuid.uuid4().hex, QuietEvent.ENDED, kind, scanner, now, now, "", getpass.getuser())


def _ask(settings: Settings, orders: Sequence[Quiet]) -> int:
    """Leaves the orders and waits a little for the agent, whose ledger they must be in."""
    state_dir, clock = settings.appliance.state_dir, SystemClock()
    try:
        for order in orders:
            leave(state_dir, order)
    except OSError as error:
        raise FixConfiguration(
            f"cannot write in {state_dir}: {error.strerror}", hint="Run it as the user of the appliance."
        ) from error
    deadline = clock.monotonic() + TAKEN_WITHIN_S
    while not all(taken(state_dir, order) for order in orders) and clock.monotonic() < deadline:
        time.sleep(0.05)
    if not all(taken(state_dir, order) for order in orders):
        print("written down, but no agent has taken it yet: it counts as soon as `edge run` is there")
    print("\n".join(_lines(settings, clock.utc())))
    return 0


def _named(quiet: Quiet) -> str:
    return f"mute of {quiet.scanner}" if quiet.kind is QuietKind.MUTE else quiet.kind.value

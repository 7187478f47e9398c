"""`edge show`: what became of a study or series, on one line of time."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import closing, nullcontext

from edge.errors import RejectInput
from edge.settings_source import load_settings
from edge.spool.database import open_reader
from edge.spool.entries import INBOX_DATABASE, INBOX_SCHEMA
from edge.spool.identity_key import appliance_key
from edge.spool.ledger_copy import reading_ledger
from edge.spool.timeline import SeriesTimeline, timelines

ABOUT = """Times are relative to the first line of each series. Identifiers do not appear: series and
study are named by their tokens, as in log lines, pages and metrics, unless --identifiers asks for the UID."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `edge show`."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="Study or Series Instance UID, accession number, or a token from a log line or a page",
    )
    parser.add_argument("--identifiers", action="store_true", help="print Series Instance UIDs as well")
    parser.set_defaults(command=show)


def show(args: argparse.Namespace) -> int:
    """Prints the timeline; raises RejectInput when nothing of that name is known."""
    state_dir = load_settings(args.config, os.environ).appliance.state_dir
    inbox = open_reader(state_dir / INBOX_DATABASE, INBOX_SCHEMA)
    with reading_ledger(state_dir) as ledger, closing(inbox) if inbox else nullcontext() as journal:
        found = timelines(ledger, journal, appliance_key(state_dir), args.name)
    if not found:
        raise RejectInput(
            "unknown_series",
            "no series of that name or token is known here",
            hint="A study is known once one of its series has its outcome; before, name the series.",
        )
    for one in found:
        print("\n".join(lines(one, identifiers=args.identifiers)))
    return 0


def lines(one: SeriesTimeline, *, identifiers: bool) -> Iterator[str]:
    """For a terminal."""
    study, scanner = one.study_token or "not known yet", one.scanner or "not known yet"
    mark = "TEST " if one.test else ""
    yield f"{mark}series {one.series_token}  study {study}  scanner {scanner}"
    if identifiers:
        yield f"  Series Instance UID {one.series_instance_uid or 'not known'}"
    if one.events:
        began = one.events[0].at
        yield f"  {began:%Y-%m-%d %H:%M:%S}.{began.microsecond // 1000:03d} UTC"
        for event in one.events:
            yield f"  {(event.at - began).total_seconds():+10.3f} s  {event.text}"

"""`edge canary`: one proof of life now, on one line of time; `--watch` goes on for ever."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from edge.domain.canary import CANARY_AE_TITLE, Part
from edge.settings_source import load_settings

if TYPE_CHECKING:  # pynetdicom and paho, which no other command needs for its --help
    from edge.canary import Run

ABOUT = """Sends a small synthetic head with a bleed to the DICOM port, waits until its page has gone through
agent, Triton, outbox and broker and a test pager has answered it, and names the part where it stopped.
It is flagged as a test everywhere, rings nobody and is in no clinical figure; its images go soon.
Exit code 0: the page was proven. 1: it was not. The appliance has to be running (edge up)."""

HINTS = {
    Part.RECEIVER: "Does `edge receive` run, and has it room? See `edge check`. Scanners keep their images.",
    Part.AGENT: "Does `edge run` run? Look at its log; restart it, it takes up where it was.",
    Part.TRITON: "Look at Triton's log and at edge_triton_health; without it results are degraded or wait.",
    Part.OUTBOX: "The broker answers, but nothing leaves the agent: look at its log, restart it.",
    Part.BROKER: "Is the broker up, and is mqtt.* right? Pages are kept and leave once it is back.",
    Part.PAGER: "The broker has the page; nobody answers on test/alert. Is the test pager running?",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `edge canary`."""
    parser.add_argument(
        "--watch", action="store_true", help="go on for ever, one every canary.period_s (edge up starts this)"
    )


def canary(args: argparse.Namespace) -> int:
    from edge.canary_wiring import environment_of, run_canary, watch_canary  # noqa: PLC0415 - see above

    settings = load_settings(args.config, os.environ)
    if args.watch:
        watch_canary(settings, environment_of(args.config))
        return 0
    run = run_canary(settings, environment_of(args.config), lambda line: print(line, flush=True))
    print("\n".join(lines(run)))
    return int(run.verdict.failed)


def lines(run: Run) -> Iterator[str]:
    """For a terminal: what happened when, relative to the first slice, and the verdict."""
    yield f"canary: a synthetic head of {run.seen.instances} slices from {CANARY_AE_TITLE} (test, no patient)"
    for at, what in sorted(_moments(run), key=lambda moment: moment[0]):
        yield f"  {at:%H:%M:%S.%f}"[:-3] + f"  {(at - run.sent_at).total_seconds():+8.3f} s  {what}"
    verdict = run.verdict
    if verdict.part is None:
        yield f"proven: the test pager has answered the page {verdict.took_s:.3f} s after the first slice"
        return
    proven = f"{verdict.proven_at:%Y-%m-%d %H:%M:%S} UTC" if verdict.proven_at else "never"
    yield (
        f"NOT proven: {verdict.part} ({verdict.reason}), got as far as {verdict.stage} in "
        f"{verdict.took_s:.1f} s; last page known to have reached a pager: {proven}"
    )
    yield f"hint: {HINTS[verdict.part]}"


def _moments(run: Run) -> Iterator[tuple[datetime, str]]:
    yield run.sent_at, "first slice sent"
    if run.seen.acknowledged:
        yield run.acknowledged_at, "receiver: all slices acknowledged"
    for page in run.seen.pages:
        said = f"{page.status.upper()} page" + (" (degraded: not by Triton)" if page.degraded else "")
        yield page.queued_at, f"agent, Triton: {said} in the outbox"
        if page.published_at is not None:
            heard = "" if page.heard else ", which has nobody to give it to"
            yield page.published_at, f"outbox, broker: {said} taken by the broker{heard}"
        if page.received_at is not None:
            yield page.received_at, f"pager: {said} received"
        if page.answered_at is not None:
            yield page.answered_at, f"pager, broker, agent: answer to the {said} in the ledger"

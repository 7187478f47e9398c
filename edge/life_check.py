"""The checks of `edge check` that are about time and about the proof of life."""

from __future__ import annotations

import shutil
import subprocess

from edge.clock_watch import synchronised
from edge.diagnosis import Diagnosis, Probes
from edge.ports import Clock
from edge.settings import Settings

# Older than this software, or so far ahead that certificates and log retention go wrong.
_YEARS = range(2026, 2100)
_WAIT_S = 2.0
# A verdict later than this from now was written before the clock was set back.
_AHEAD_S = 1.0


def clock_agrees(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """A sane year, wall and monotonic time at the same pace, and synchronised as far as systemd knows."""
    began, wall = clock.monotonic(), clock.utc()
    in_time = _synchronised()
    drift_s = (clock.utc() - wall).total_seconds() - (clock.monotonic() - began)
    detail = f"{wall:%Y-%m-%d %H:%M:%S} UTC"
    if wall.year not in _YEARS:
        return Diagnosis(
            "clock", False, detail, "Set the clock; times on pages and in the ledger come from it."
        )
    if abs(drift_s) > 0.5:
        return Diagnosis("clock", False, f"{detail}, just stepped by {drift_s:+.1f} s", "Wait for time sync.")
    if in_time is None:
        return Diagnosis("clock", True, f"{detail}; whether it is synchronised is not known here")
    if not in_time:
        return Diagnosis("clock", None, f"{detail}, not synchronised", "Enable NTP: timedatectl set-ntp true")
    return Diagnosis("clock", True, f"{detail}, synchronised")


def canary(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """The latest canary proved that a page reaches a pager, and that was not long ago."""
    verdict, period_s = probes.verdict(), settings.canary.period_s
    if verdict is None:
        why = "none was sent yet" if settings.canary.on else "off (canary.period_s is 0)"
        return Diagnosis("canary", None, f"nothing proves that pages reach anybody: {why}", _PROVE)
    age_s = (clock.utc() - verdict.at).total_seconds()
    ahead = age_s < -_AHEAD_S
    when = "before the clock was set back" if ahead else f"{age_s / 60:.0f} min ago"
    if verdict.part is not None:
        detail = f"FAILED {when}: {verdict.part} ({verdict.reason}), got as far as {verdict.stage}"
        return Diagnosis("canary", False, detail, "`edge canary` tries again now and tells what to look at.")
    detail = f"a test page reached a pager {when}, in {verdict.took_s:.1f} s"
    if ahead:
        return Diagnosis("canary", None, detail, _PROVE)
    if settings.canary.on and age_s > 2 * period_s:
        return Diagnosis("canary", None, f"{detail}; none since", f"{_PROVE} Does edge canary --watch run?")
    return Diagnosis("canary", True, detail)


def _synchronised() -> bool | None:
    """By systemd, else by the kernel itself."""
    said = _timedatectl()
    return synchronised() if said is None else said


def _timedatectl() -> bool | None:
    program = shutil.which("timedatectl")
    if program is None:
        return None
    asked = [program, "show", "-p", "NTPSynchronized", "--value"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_WAIT_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(said.strip())


_PROVE = "`edge canary` sends one now."

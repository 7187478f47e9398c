"""The second rung: strace makes the n-th system call of an association fail, for every n that a series takes.

strace counts for each thread and each call by itself, and an association has a thread of its own: attached
before it begins, `when=n` is the n-th such call of this series, and of whatever else the receiver does.
"""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ladder.record import Series
from tests.ladder.senders import storescu, until_stored
from tests.ladder.site import Site

CALLS = ("write", "pwrite64", "fdatasync", "fsync", "rename", "ftruncate")
ERRORS = ("ENOSPC", "EIO", "EINTR")
_ATTACH_S = 10.0
_LINE = re.compile(r"^(\d+) +(\w+)\(")


@dataclass(frozen=True, slots=True)
class Injection:
    """The `when`-th `call` of each thread fails with `error`."""

    call: str
    error: str
    when: int

    def __str__(self) -> str:
        return f"{self.error} at {self.call} {self.when}"

    @property
    def option(self) -> str:
        return f"inject={self.call}:error={self.error}:when={self.when}"


@contextmanager
def straced(pid: int, log: Path, *options: str) -> Generator[None]:
    """strace on a process and its threads, from before the block begins until it ends."""
    argv = ["strace", "-f", "-p", str(pid), "-o", str(log), *(word for o in options for word in ("-e", o))]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        deadline = time.monotonic() + _ATTACH_S
        while "attached" not in (said := tracer.stderr.readline()):
            if tracer.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"strace does not attach: {said}")
        try:
            yield
        finally:
            if tracer.poll() is None:
                tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=_ATTACH_S)


def calls_of_a_series(site: Site, log: Path) -> Counter[str]:
    """How often the busiest thread makes each call while four small slices are stored."""
    pid = site.appliance.running("receiver")
    assert pid is not None, "the receiver does not run"
    series = _offered(site, "counted")
    with straced(pid, log, f"trace={','.join(CALLS)}"):
        assert until_stored(storescu, site.port, series.instances, site.record)
    by_thread: dict[str, Counter[str]] = {}
    for line in log.read_text().splitlines():
        if match := _LINE.match(line):
            by_thread.setdefault(match[1], Counter())[match[2]] += 1
    return max(by_thread.values(), key=lambda calls: calls["rename"])


def injections(calls: Counter[str]) -> list[Injection]:
    """Every one that a series can meet."""
    return [
        Injection(call, error, when)
        for error, call in itertools.product(ERRORS, CALLS)
        for when in range(1, calls[call] + 1)
    ]


def injection_round(site: Site, number: int, injection: Injection, log: Path) -> bool:
    """One series under one injection, then until it is stored; whether the call failed at all."""
    series = _offered(site, injection)
    pid = _receiver(site)
    began = time.monotonic()
    with straced(pid, log, f"trace={injection.call}", injection.option):
        storescu(site.port, series.instances, site.record)
    site.rounds += 1
    injected = "(INJECTED)" in log.read_text()
    at_once = site.record.all_acknowledged(series.instances)
    if not until_stored(storescu, site.port, series.instances, site.record):
        site.broken.append(f"{injection}: the receiver did not come back")
    ended = site.appliance.running("receiver") != pid
    site.struck += [str(injection)] * injected
    how = "all stored" if at_once else "stored with the retry"
    site.say(
        f"  syscall {number}: {injection}{'' if injected else ', not reached'}; {how}"
        f"{', receiver started afresh' if ended else ''}, {time.monotonic() - began:.1f} s"
    )
    site.forget_files([series])
    return injected


def _receiver(site: Site) -> int:
    deadline = time.monotonic() + 30
    while (pid := site.appliance.running("receiver")) is None:
        assert time.monotonic() < deadline, "the receiver was not started again"
        time.sleep(0.05)
    return pid


def _offered(site: Site, *name: object) -> Series:
    series = site.ward(site.dice("syscall", *name)).few()
    site.record.offer(series)
    return series

"""The second rung: strace makes the n-th system call of a program fail, for every n that a series takes.

strace counts for each thread and each call by itself, and an association has a thread of its own: attached
before it begins, `when=n` is the n-th such call of this series, and of whatever else the receiver does.
"""

from __future__ import annotations

import itertools
import os
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

CALLS = ("write", "writev", "pwrite64", "fdatasync", "fsync", "rename", "ftruncate")
# Ledger and regions of shared memory. Not write: gRPC wakes itself by an eventfd, which does not fail.
AGENT_CALLS = ("pwrite64", "fdatasync", "fallocate")
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


def why_not() -> str:
    """Empty where this user may trace a program of its own, else what the kernel said."""
    with subprocess.Popen(["sleep", "60"]) as someone:
        try:
            with straced(someone.pid, Path(os.devnull)):
                return ""
        except RuntimeError as error:
            return str(error).strip()
        finally:
            someone.kill()


def calls_of_the_receiver(site: Site, log: Path) -> Counter[str]:
    """How often the busiest thread makes each call while four small slices are stored."""
    series = _offered(site, "counted")
    with straced(_running(site, "receiver"), log, f"trace={','.join(CALLS)}"):
        assert until_stored(storescu, site.port, series.instances, site.record)
    return max(_by_thread(log), key=lambda calls: calls["rename"])


def calls_of_the_agent(site: Site, log: Path) -> Counter[str]:
    """How often any one thread makes each call from a head's first slice to its outcome."""
    head = _head(site, "counted")
    with straced(_running(site, "agent"), log, f"trace={','.join(AGENT_CALLS)}"):
        assert until_stored(storescu, site.port, head.instances, site.record)
        site.settle([head], "counted")
    most: Counter[str] = Counter()
    for calls in _by_thread(log):
        most |= calls
    return most


def injections(calls: Counter[str]) -> list[Injection]:
    """Every one that a series can meet."""
    return [
        Injection(call, error, when)
        for error, call in itertools.product(ERRORS, calls)
        for when in range(1, calls[call] + 1)
    ]


def agent_round(site: Site, number: int, injection: Injection, log: Path) -> None:
    """A head with blood while the agent meets the injection, until its outcome."""
    head = _head(site, number, injection)
    pid = _running(site, "agent")
    site.agents.add(pid)
    began = time.monotonic()
    with straced(pid, log, f"trace={injection.call}", injection.option):
        assert until_stored(storescu, site.port, head.instances, site.record)
        site.settle([head], f"agent {number}: {injection}")
    injected = log.read_text().count("(INJECTED)")
    site.struck += [str(injection)] * injected
    site.rounds += 1
    ended = site.appliance.running("agent") != pid
    site.say(
        f"  agent {number}: {injection}, {injected} times"
        f"{', agent started afresh' if ended else ''}, {time.monotonic() - began:.1f} s"
    )
    site.forget_files([head])


def injection_round(site: Site, number: int, injection: Injection, log: Path) -> None:
    """One series while the receiver meets the injection, then until it is stored."""
    series = _offered(site, injection)
    pid = _running(site, "receiver")
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


def _running(site: Site, program: str) -> int:
    deadline = time.monotonic() + 60
    while (pid := site.appliance.running(program)) is None:
        assert time.monotonic() < deadline, f"the {program} was not started again"
        time.sleep(0.05)
    return pid


def _by_thread(log: Path) -> list[Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for line in log.read_text().splitlines():
        if match := _LINE.match(line):
            found.setdefault(match[1], Counter())[match[2]] += 1
    return list(found.values())


def _head(site: Site, *name: object) -> Series:
    head = site.ward(site.dice("agent", *name)).head(blood=True)
    site.record.offer(head)
    return head


def _offered(site: Site, *name: object) -> Series:
    series = site.ward(site.dice("syscall", *name)).few()
    site.record.offer(series)
    return series

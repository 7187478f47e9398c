"""A process that writes until it is killed, and says each time something was promised to be durable."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from xxhash import xxh3_128

from edge.clock import SystemClock
from edge.domain.alert import AlertStatus
from edge.domain.identity import AssociationId
from edge.spool.entries import Entries
from edge.spool.inbox import Inbox
from edge.spool.ledger import SqliteLedger
from tests.contract.storing import store
from tests.statements import alert, alert_draft, outcome, result_draft

ROOT = Path(__file__).parents[2]


def acknowledged_until_killed(task: str, state_dir: Path) -> list[str]:
    """The lines of a child that was killed -9 after a random number of them."""
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    command = [sys.executable, "-m", "tests.contract.spool_child", task, str(state_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        # The second line, or none, so that a child which dies by itself after the first has done so.
        lines = [child.stdout.readline() for _ in range(dice.randrange(2, 60))]
        child.kill()
        # What it wrote before it died was promised as well; a half line was not.
        lines += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL, "the child ended by itself"
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


def acknowledge(line: str) -> None:
    """One write, so that lines of several threads stay whole."""
    os.write(1, f"{line}\n".encode())


def store_for_ever(state_dir: Path) -> None:
    """Four associations, each acknowledging uid and SHA-256 of every instance."""
    inbox = Inbox(state_dir, min_free_bytes=0, clock=SystemClock(), blanks=16)
    inbox.recover()

    def association(number: int) -> None:
        association_id = AssociationId(f"{os.getpid()}-{number}")
        inbox.association_opened(association_id, "CT", "EDGE", "127.0.0.1")
        for index in range(1_000_000):
            uid, dataset = f"1.2.{os.getpid()}.{number}.{index}", os.urandom(20_000)
            store(inbox, dataset, uid=uid, association=association_id)
            acknowledge(f"{uid} {xxh3_128(dataset).hexdigest()}")

    for number in range(4):
        threading.Thread(target=association, args=(number,)).start()


def die_between_file_and_row(state_dir: Path) -> None:
    """Killed at the one moment when an instance has a file and no row."""
    inbox = Inbox(state_dir, min_free_bytes=0, clock=SystemClock())
    inbox.association_opened(AssociationId("a"), "CT", "EDGE", "127.0.0.1")
    acknowledge("opened")
    Entries.stored = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,method-assign]
    store(inbox, b"never acknowledged", association="a")


def conclude_for_ever(state_dir: Path) -> None:
    """One series after the other, each with a page and a result."""
    ledger = SqliteLedger(state_dir, clock=SystemClock())
    for index in range(1_000_000):
        series = f"1.2.{os.getpid()}.{index}"
        end, said = outcome(series), alert(AlertStatus.CONFIRMED, alert_id=f"alert-{series}", series=series)
        ledger.conclude(end, index, [(said, alert_draft(said))], result_draft(end))
        acknowledge(series)


TASKS = {"store": store_for_ever, "die": die_between_file_and_row, "conclude": conclude_for_ever}

if __name__ == "__main__":
    TASKS[sys.argv[1]](Path(sys.argv[2]))

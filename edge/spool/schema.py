"""The schema of a database file as the steps that led to it; a file of any version goes forward, none back.

A step is a file `steps/<database>/<version>_<what>.sql`, run once and in one transaction with its version
number. One that was ever on the main branch is never changed: what it left out is the next step.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Step:
    """What makes `version` of the version before it; the first one of any file before it, or of none."""

    version: int
    what: str
    sql: str

    def run(self, connection: sqlite3.Connection) -> None:
        """All of it or, after an error or kill -9, nothing of it."""
        script = f"BEGIN IMMEDIATE;\n{self.sql}\nPRAGMA user_version = {self.version};\nCOMMIT;"
        try:
            connection.executescript(script)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@dataclass(frozen=True, slots=True)
class Schema:
    """The steps of one database in order; `version` is what a file has after the last (user_version)."""

    name: str
    steps: tuple[Step, ...]

    @property
    def version(self) -> int:
        return self.steps[-1].version

    def missing(self, found: int) -> tuple[Step, ...]:
        """The steps that a file of version `found` still lacks; 0 is an empty file."""
        return tuple(step for step in self.steps if step.version > found)


@cache
def schema_of(name: str) -> Schema:
    """The schema of `inbox` or `ledger`; raises ValueError when a number is missing or given twice."""
    steps: list[Step] = []
    for file in files("edge.spool").joinpath("steps", name).iterdir():
        named = _NAME.fullmatch(file.name)
        if named is not None:
            steps.append(Step(int(named[1]), named[2], file.read_text(encoding="utf-8")))
    steps.sort(key=lambda step: step.version)
    versions = [step.version for step in steps]
    if not versions or versions != list(range(versions[0], versions[0] + len(versions))):
        raise ValueError(f"the steps of {name} have the numbers {versions}")
    return Schema(name, tuple(steps))

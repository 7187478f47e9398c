"""Who sends, as the site knows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scanner:
    """`alias` stands for the calling AE title on pages; whatever a `test` scanner sends is a test."""

    ae_title: str
    alias: str
    test: bool = False


@dataclass(frozen=True, slots=True)
class Scanners:
    """What the site says of its scanners; one it says nothing of goes by its AE title."""

    aliases: Mapping[str, str]
    tests: Collection[str] = ()

    def of(self, ae_title: str) -> Scanner:
        return Scanner(ae_title, self.aliases.get(ae_title, ae_title), ae_title in self.tests)

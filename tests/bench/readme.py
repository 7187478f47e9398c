"""Results as Markdown, printed and kept between the markers of README.md."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).with_name("README.md")


def block(machine: dict[str, str], form: str, table: str) -> str:
    """When, where and in which form it was measured, then the table."""
    named = ("dcmtk", "orthanc", "mosquitto", "pynetdicom", "pydicom", "numpy")
    peers = ", ".join(f"{name} {machine[name]}" for name in named)
    return (
        f"Measured {machine['date']}, {form} form, edge {machine['edge']}.\n"
        f"{machine['cpu']}, {machine['memory']}, {machine['kernel']}, {machine['disk']}; "
        f"load before {machine['load_before']}.\n"
        f"Python {machine['python']}, {peers}.\n\n{table}"
    )


def replaced(text: str, name: str, content: str) -> str:
    """`text` with `content` between the markers of `name`; raises ValueError when it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(found.findall(text)) != 1:
        raise ValueError(f"expected the markers {begin} and {end} exactly once")
    return found.sub(lambda _: f"{begin}\n{content}\n{end}", text)

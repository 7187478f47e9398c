"""Secrets come from files that nobody else can read; anything else is refused with what to do."""

from __future__ import annotations

import stat
from pathlib import Path

from edge.errors import FixConfiguration


def read_secret(setting: str, path: Path) -> str:
    """Its content without the end of the line; raises FixConfiguration naming `setting`."""
    try:
        refuse_public(setting, path)
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FixConfiguration(f"{setting} {path}: {error}") from error


def refuse_public(setting: str, path: Path) -> None:
    """Raises FixConfiguration when group or others may read or change the file, OSError without one."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise FixConfiguration(
            f"{setting} {path} has mode {mode:04o}, others can read it", hint=f"chmod 600 {path}"
        )

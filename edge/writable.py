"""A folder for results is tried before the work, not after the hours that it takes."""

from __future__ import annotations

from pathlib import Path

from edge.errors import FixConfiguration


def made_writable(folder: Path, *names: str) -> None:
    """Makes the folder and tries files of these names in it; what they hold stays as it is.

    Raises FixConfiguration, for the option --out, when that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / name for name in names):
            there = path.exists()
            path.open("ab").close()
            if not there:
                path.unlink()
    except OSError as error:
        raise FixConfiguration(
            f"cannot write in {folder}: {error.strerror}", hint="Name another folder with --out."
        ) from error

"""The secret that turns UIDs into tokens; without it nobody outside can tell whose they are."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from edge.errors import FixConfiguration
from edge.spool.files import private_folder, sync_folder, write_new

KEY_BYTES = 32


def appliance_key(state_dir: Path) -> bytes:
    """32 random bytes, made once (mode 0600) and then always the same, whichever process asks first."""
    path = private_folder(state_dir) / "identity.key"
    if not path.exists():
        _create(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise FixConfiguration(
            f"{path} has {len(key)} bytes instead of {KEY_BYTES}",
            hint="Restore it from a backup; a new key gives every series a new token.",
        )
    return key


def _create(path: Path) -> None:
    candidate = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        write_new(candidate, secrets.token_bytes(KEY_BYTES))
        # A link, unlike a rename, never replaces the key another process made in the meantime.
        os.link(candidate, path)
    except FileExistsError:
        return
    finally:
        candidate.unlink(missing_ok=True)
    sync_folder(path.parent)

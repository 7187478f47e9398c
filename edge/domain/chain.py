"""A chain of records in which each link depends on all before it and on a secret: changing one shows."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable

Field = str | int | bytes | None
FIRST = bytes(32)


def chain_key(key: bytes) -> bytes:
    """The secret of the chain; the tokens that leave the box are made with `key` itself."""
    return hmac.new(key, b"trail", hashlib.sha256).digest()


def link(key: bytes, before: bytes, fields: Iterable[Field]) -> bytes:
    """HMAC-SHA256 (RFC 2104) over the link before and every field; nobody without `key` can compute it."""
    return hmac.new(key, before + _unambiguous(fields), hashlib.sha256).digest()


def seal(key: bytes, number: int) -> str:
    """64 hex digits that vouch for how long the chain got, for a place outside it."""
    return hmac.new(key, b"length" + str(number).encode("ascii"), hashlib.sha256).hexdigest()


def digest(fields: Iterable[Field]) -> str:
    """What a record elsewhere was when its link was made: SHA-256, hex."""
    return hashlib.sha256(_unambiguous(fields)).hexdigest()


def _unambiguous(fields: Iterable[Field]) -> bytes:
    """JSON keeps number, text and nothing apart, and where one field ends; bytes stand as a list of hex."""
    told = [[f.hex()] if isinstance(f, bytes) else f for f in fields]
    return json.dumps(told, separators=(",", ":")).encode("ascii")

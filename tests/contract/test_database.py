"""The SQLite files: how they are opened, and when they are not trusted."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path

import pytest

from edge.errors import FixConfiguration
from edge.spool import database
from edge.spool.database import Writer, open_reader, sqlite_version
from edge.spool.entries import INBOX_SCHEMA


def opened(path: Path, *, durable: bool = True) -> Writer:
    return Writer(path, INBOX_SCHEMA, durable=durable)


def fill(path: Path, rows: int) -> None:
    writer = opened(path)
    with writer.transaction() as connection:
        connection.executemany(
            "INSERT INTO entry (kind, association_id, at) VALUES ('association_opened', ?, 0.0)",
            [(f"association {number}",) for number in range(rows)],
        )
    writer.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 0)])
def test_a_writer_uses_wal_and_syncs_every_commit(tmp_path: Path, durable: bool, synchronous: int) -> None:
    writer = opened(tmp_path / "inbox.db", durable=durable)
    with writer.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
    writer.close()


def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    fill(path, 5000)
    middle = path.stat().st_size // 2
    with path.open("r+b") as file:
        file.seek(middle)
        file.write(random.Random(7).randbytes(20_000))
    with pytest.raises(FixConfiguration, match="is damaged") as refusal:
        opened(path)
    assert "backup" in refusal.value.advice


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    path.write_bytes(b"not a database at all" * 100)
    for attempt in (opened, lambda path: open_reader(path, INBOX_SCHEMA)):
        with pytest.raises(FixConfiguration, match="is damaged"):
            attempt(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    fill(path, 3)
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {INBOX_SCHEMA.version + 1}")
    newer.close()
    with pytest.raises(FixConfiguration, match=f"knows up to {INBOX_SCHEMA.version}") as refusal:
        opened(path)
    assert "newer version" in refusal.value.advice
    with sqlite3.connect(path) as untouched:
        assert untouched.execute("SELECT count(*) FROM entry").fetchone() == (3,)
    untouched.close()


def test_a_reader_waits_for_a_file_that_has_no_tables_yet(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    assert open_reader(path, INBOX_SCHEMA) is None
    path.touch()
    assert open_reader(path, INBOX_SCHEMA) is None


def test_a_check_that_takes_too_long_is_given_up_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "inbox.db"
    fill(path, 20_000)
    whole = opened(path)
    assert whole.checked
    whole.close()
    monkeypatch.setattr(database, "LONGEST_CHECK_S", 0.0)
    hasty = opened(path)
    assert not hasty.checked
    with hasty.reading() as connection:
        assert connection.execute("SELECT count(*) FROM entry").fetchone() == (20_000,)
    hasty.close()


def test_a_state_folder_with_odd_characters_works(tmp_path: Path) -> None:
    folder = tmp_path / "state ?mode=ro#%41"
    fill(folder / "inbox.db", 1)
    assert os.listdir(tmp_path) == [folder.name]
    reader = open_reader(folder / "inbox.db", INBOX_SCHEMA)
    assert reader is not None
    assert reader.execute("SELECT count(*) FROM entry").fetchone() == (1,)
    reader.close()


def test_the_version_for_the_log_is_the_one_in_use() -> None:
    assert sqlite_version() == sqlite3.sqlite_version

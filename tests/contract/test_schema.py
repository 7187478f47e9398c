"""Files of older versions, made by the SQL that was released, and what a crash in between leaves of them."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge.spool import database
from edge.spool.database import Writer, open_reader
from edge.spool.raising import alert_names
from edge.spool.schema import Schema, Step, schema_of
from tests.statements import reference

RELEASED = Path(__file__).parent / "released_schema"
DATABASES = ["inbox", "ledger"]
# One row of every table that the release had, so that a step has something to lose.
CONTENT = {
    "inbox": """
INSERT INTO entry (kind, association_id, at, calling_ae_title, called_ae_title, peer_address)
VALUES ('association_opened', 'a1', 1.5, 'CT', 'EDGE', '127.0.0.1');
INSERT INTO entry (kind, association_id, at, sop_instance_uid, sop_class_uid, transfer_syntax_uid, path,
                   sha256, size_bytes)
VALUES ('instance_stored', 'a1', 2.5, '1.2.1', '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1',
        'inbox/00/00.dcm', 'ab', 7);
INSERT INTO entry (kind, association_id, at) VALUES ('association_released', 'a1', 3.5);""",
    "ledger": """
INSERT INTO instance_series VALUES (2, '1.2');
INSERT INTO journal VALUES ('generation');
INSERT INTO outcome VALUES ('1.2', 1, 'o1', 3, 'finding', 'released', '36 slices', 's', 't', 'a', 'CT ER',
  NULL, 'm', '1', 'ab', 36, 0, '[]', '2024-05-01', '2024-05-01', '2024-05-01');
INSERT INTO alert (alert_id, status, series_instance_uid, revision, outbox_key, finding, timings, model_name,
                   model_version, model_digest, degraded)
VALUES ('a1', 'confirmed', '1.2', 1, 'a1:confirmed:1', '{}', '{}', 'm', '1', 'ab', 0);
INSERT INTO outbox (key, topic, payload, content_type, expiry_s, retain, enqueued_at)
VALUES ('a1:confirmed:1', 'edge/v1/alert', x'7b7d', 'application/json', 60, 0, '2024-05-01');""",
}


def released(folder: Path, name: str) -> Path:
    """A file as the first release wrote it."""
    path = folder / f"{name}.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(f"PRAGMA journal_mode = WAL; {released_sql(name)} PRAGMA user_version = 2;")
        old.executescript(CONTENT[name])
    return path


def released_sql(name: str) -> str:
    return (RELEASED / f"{name}_2.sql").read_text()


def tables(path: Path) -> dict[str, list[str]]:
    """Columns by table; what text made them differs between a new file and an older one."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]
        return {n: [str(c[1:6]) for c in connection.execute(f"PRAGMA table_info({n})")] for n in names}


# Columns that a later step gave another name.
RENAMED = {"sha256": "digest", "refused_sha256": "refused_digest"}


def content(path: Path, names: list[str], columns: dict[str, str]) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {n: connection.execute(f"SELECT {columns[n]} FROM {n}").fetchall() for n in names}


def columns_of(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        named = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            n: ", ".join(c[1] for c in connection.execute(f"PRAGMA table_info({n})"))
            for n in named
            if not n.startswith("sqlite_")
        }


@pytest.mark.parametrize("name", DATABASES)
def test_a_step_that_was_released_stays_as_it_was(name: str) -> None:
    assert schema_of(name).steps[0].sql == released_sql(name)


@pytest.mark.parametrize("name", DATABASES)
def test_the_released_file_becomes_what_a_new_one_is_and_keeps_every_row(tmp_path: Path, name: str) -> None:
    path = released(tmp_path, name)
    columns = columns_of(path)
    before = content(path, list(columns), columns)
    assert all(before.values()), "every table of the release has a row"
    Writer(path, schema_of(name)).close()
    Writer(tmp_path / "new.db", schema_of(name)).close()
    assert tables(path) == tables(tmp_path / "new.db")
    renamed = {n: ", ".join(RENAMED.get(c, c) for c in of.split(", ")) for n, of in columns.items()}
    assert content(path, list(columns), renamed) == before


@pytest.mark.parametrize("test", [False, True])
def test_a_test_of_a_study_goes_on_under_no_id_that_its_patient_was_paged_under(
    tmp_path: Path, *, test: bool
) -> None:
    path = released(tmp_path, "ledger")
    Writer(path, schema_of("ledger")).close()
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("UPDATE alert SET test = ?", (test,))
        ledger.commit()
        for series in ("1.2", "9.9"):
            again = replace(reference(series), study_token="t")
            said = {drill: alert_names(ledger, replace(again, test=drill), "m") for drill in (True, False)}
            assert said == {test: {"": "a1"}, not test: {}}


@pytest.mark.parametrize("name", DATABASES)
def test_kill_9_after_any_statement_of_any_step_leaves_a_file_that_goes_on(tmp_path: Path, name: str) -> None:
    """The child dies before its n-th statement, for every n of all steps."""
    Writer(tmp_path / "new.db", schema_of(name)).close()
    whole, died = tables(tmp_path / "new.db"), 0
    for statement in range(1, 500):
        path = tmp_path / f"{name}.{statement}.db"
        if not killed_before(statement, path, name):
            break
        died += 1
        with closing(sqlite3.connect(path)) as halfway:
            version = halfway.execute("PRAGMA user_version").fetchone()[0]
        assert version in {0, *(step.version for step in schema_of(name).steps)}
        Writer(path, schema_of(name)).close()
        assert tables(path) == whole
    statements = sum(len(re.findall(r"^CREATE|^INSERT", s.sql, flags=re.M)) for s in schema_of(name).steps)
    assert died > statements, "every statement of every step was one to die before"


def killed_before(statement: int, path: Path, name: str) -> bool:
    """Whether a child that opens the file, and dies before this statement of its own, got that far."""
    child = os.fork()
    if child == 0:
        connect, left = database._connect, iter(range(statement - 1, -1, -1))

        def count(_statement: str) -> None:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def traced(uri: str) -> sqlite3.Connection:
            connection = connect(uri)
            connection.set_trace_callback(count)
            return connection

        database._connect = traced
        try:
            Writer(path, schema_of(name))
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    good = Step(1, "good", "CREATE TABLE kept (n INTEGER) STRICT; INSERT INTO kept VALUES (1);")
    bad = Step(2, "bad", "CREATE TABLE gone (n INTEGER) STRICT; INSERT INTO kept VALUES ('no number');")
    with pytest.raises(sqlite3.IntegrityError):
        Writer(path, Schema("some", (good, bad)))
    assert list(columns_of(path)) == ["kept"]
    mended = Step(2, "mended", "INSERT INTO kept VALUES (2);")
    Writer(path, Schema("some", (good, mended))).close()
    assert content(path, ["kept"], {"kept": "n"}) == {"kept": [(1,), (2,)]}


def test_a_reader_waits_until_its_writer_has_brought_the_file_forward(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    first = Step(1, "first", "CREATE TABLE kept (n INTEGER) STRICT;")
    older = Schema("some", (first,))
    newer = Schema("some", (first, Step(2, "second", "CREATE TABLE more (n INTEGER) STRICT;")))
    Writer(path, older).close()
    assert open_reader(path, newer) is None
    for _ in range(2):
        Writer(path, newer).close()
    reader = open_reader(path, newer)
    assert reader is not None
    reader.close()

"""An older ledger put back on a working appliance: what it does not know is judged and paged again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ladder.books import Books
from tests.ladder.senders import storescu
from tests.ladder.site import Site

pytestmark = [pytest.mark.peer("mosquitto", "storescu"), pytest.mark.timeout(900)]


def ledger(site: Site, *words: str) -> str:
    environment = {"EDGE_APPLIANCE__STATE_DIR": str(site.state_dir), "PATH": "/usr/bin"}
    command = [sys.executable, "-m", "edge", "ledger", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_what_came_after_the_backup_is_judged_again_under_its_old_ids(tmp_path: Path) -> None:
    with Site(tmp_path / "site", "restore", print) as site:
        ward = site.ward(site.dice("heads"))
        before, after, bloodless = ward.head(blood=True), ward.head(blood=True), ward.head(blood=False)
        site.play("before the backup", [(storescu, before)], [])
        copy = tmp_path / "copy.db"
        ledger(site, "backup", str(copy))
        site.play("after it", [(storescu, after), (storescu, bloodless)], [])
        was = Books.read(site.state_dir)
        site.appliance.stop()
        assert "restored: intact" in ledger(site, "restore", str(copy), "--accept-older")
        assert set(Books.read(site.state_dir).ended) == {before.uid}
        site.appliance.restart()
        site.settle([before, after, bloodless], "restored")
        now = Books.read(site.state_dir)
        assert {s: [(e.outcome_id, e.kind) for e in ends] for s, ends in now.ended.items()} == {
            s: [(e.outcome_id, e.kind) for e in ends] for s, ends in was.ended.items()
        }
        assert {r.alert_id for r in now.raised} == {r.alert_id for r in was.raised}
        assert ledger(site, "verify").startswith("intact")
        assert site.verdict().faults == ()

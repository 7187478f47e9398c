"""A receiver whose store can keep nothing any more ends, so that a supervisor starts it afresh."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.contract.spool_child import ROOT

_FAILING = """
import sys
from edge.cli import main
from edge.spool.inbox import Inbox

def check(self):
    raise OSError(5, "Input/output error, restart")

Inbox.check = check
sys.exit(main(["--config", sys.argv[1], "receive"]))
"""


def test_a_failed_store_ends_the_process_with_its_threads(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(
        f'[appliance]\nstate_dir = "{tmp_path / "state"}"\n[dicom]\nport = {free_port()}\nmin_free_gib = 0\n'
        f"[telemetry]\nreceiver_port = {free_port()}\n"
    )
    argv = [sys.executable, "-c", _FAILING, str(config)]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode != 0
    assert "restart" in ended.stderr

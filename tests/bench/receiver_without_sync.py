"""`edge receive` with every sync left out; nothing but this benchmark may do that."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from edge import receiver_wiring
from edge.settings_source import load_settings
from edge.spool.inbox import Inbox

if __name__ == "__main__":
    # The wiring stays the shipped one but for this argument, which no setting reaches.
    without_sync: Any = partial(Inbox, durable=False)
    receiver_wiring.Inbox = without_sync
    receiver_wiring.run_receiver(load_settings(Path(sys.argv[1]), os.environ))

"""`edge receive` with every sync left out; nothing but this benchmark may do that."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from edge import receiver_wiring, receiver_workers
from edge.settings_source import load_settings
from edge.spool.inbox import Inbox

# The wiring stays the shipped one but for this argument, which no setting reaches. A further process
# of the receiver imports this file under another name and must not sync either.
without_sync: Any = partial(Inbox, durable=False)
receiver_wiring.Inbox = receiver_workers.Inbox = without_sync

if __name__ == "__main__":
    receiver_wiring.run_receiver(load_settings(Path(sys.argv[1]), os.environ))

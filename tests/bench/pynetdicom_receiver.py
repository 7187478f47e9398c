"""pynetdicom as its own documentation uses it: a thread for each association, a file for each instance."""

from __future__ import annotations

import sys
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

_MOST_ASSOCIATIONS = 32


def _store(event: evt.Event, folder: Path) -> int:
    name = f"{event.request.AffectedSOPInstanceUID}.dcm"
    # The bytes as they came: cheaper than the Dataset that `event.dataset` would make of them.
    (folder / name).write_bytes(event.encoded_dataset())
    return 0x0000


if __name__ == "__main__":
    kept, port, max_pdu_bytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    ae = AE("PYNETDICOM")
    ae.maximum_pdu_size = max_pdu_bytes
    ae.maximum_associations = _MOST_ASSOCIATIONS
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context(Verification)
    ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, _store, [kept])])

"""C-ECHO as a user of the service (PS3.4 A.4): does the receiver answer?"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from edge.domain.identity import AETitle
from edge.errors import RetryPeer

VERIFICATION = "1.2.840.10008.1.1"
CALLING_AE_TITLE = AETitle("EDGE-CHECK")
_TIMEOUT_S = 5.0


def echo(host: str, port: int, called_ae_title: str) -> str:
    """One line for a person; raises RetryPeer when no association or no answer comes."""
    entity = ApplicationEntity(ae_title=CALLING_AE_TITLE)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = _TIMEOUT_S
    associate = cast(
        "Callable[..., Association]",
        entity.associate,  # pyright: ignore[reportUnknownMemberType] # parts we leave out are untyped
    )
    association = associate(host, port, [build_context(VERIFICATION)], ae_title=called_ae_title)
    if not association.is_established:
        raise RetryPeer(
            f"{host}:{port} admits no association of {CALLING_AE_TITLE} with {called_ae_title}",
            hint=f"Is it our receiver, and is {CALLING_AE_TITLE} among those who may call (plain)?",
        )
    try:
        status = association.send_c_echo()
    finally:
        association.release()
    if getattr(status, "Status", None) != 0:
        raise RetryPeer(f"{host}:{port} did not answer C-ECHO with 0x0000")
    return f"{host}:{port} answers C-ECHO as {called_ae_title}"

"""`edge models check`: whether folders keep their promises, and a Triton answers as they say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.builder.served_plan import ServedPlan
from edge.errors import FixConfiguration, RetryPeer
from edge.evaluation.command import EMBEDDED
from edge.evaluation.server import DEADLINE_S, answering
from edge.ports import Clock
from edge.settings import Settings
from edge.settings_checks import is_host_port
from edge.triton.golden_check import check_golden_cases, ready_models
from edge.triton.model_check import check_model

Say = Callable[[str], None]


def refuse_unless_server(where: str | None, settings: Settings) -> None:
    """Raises FixConfiguration for a --server that is none, such as the model that was meant to follow it."""
    if where is None or where == EMBEDDED or is_host_port(where):
        return
    model = where if (settings.models.repository / where / "clinical.toml").is_file() else "MODEL"
    raise FixConfiguration(
        f"--server {where} is neither {EMBEDDED} nor host:port",
        hint=f"Write `edge models check {model} --server`, or name the server: --server host:port.",
    )


def served_of(folders: Sequence[Path], where: str) -> Sequence[Path]:
    """The folders whose models the Triton at host:port serves; an appliance's serves the active one alone.

    Raises RetryPeer when it serves none of them or is not there.
    """
    ready = asyncio.run(ready_models(where))
    served = [folder for folder in folders if folder.name in ready]
    if not served:
        names = ", ".join(folder.name for folder in folders)
        raise RetryPeer(
            f"{where} serves none of {names}", hint=f"It serves {', '.join(sorted(ready)) or 'no model'}."
        )
    return served


def check(
    folders: Sequence[Path], where: str | None, settings: Settings, clock: Clock, say: Say, *, named: bool
) -> None:
    """Every folder by itself and, where there is a server, the golden cases through it.

    A server at an address is asked those that it serves, unless the user named the folder. Raises
    RefuseModel for the first that fails, RetryPeer for a server that does not answer.
    """
    asked = folders if named or where is None or where == EMBEDDED else served_of(folders, where)
    for folder in folders:
        ServedPlan(folder).refuse_stale(check_model(folder))
        if where is None:
            say(f"ok  {folder.name}")
        elif folder not in asked:
            say(f"ok  {folder.name}, which {where} does not serve")
        else:
            with answering(where, folder, settings, clock, say) as there:
                cases = asyncio.run(check_golden_cases(folder, there.grpc_url, DEADLINE_S))
            say(f"ok  {folder.name}, {cases} golden cases through Triton")

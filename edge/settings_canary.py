"""[canary]: how often the appliance proves to itself that a page would reach somebody."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.peer_settings import Section


class CanarySettings(Section):
    """Proof of life (`edge canary`): a synthetic head with a bleed, through everything, to a test pager."""

    period_s: float = Field(
        default=900.0,
        ge=0,
        description="A fault is told within this: canaries go out sooner by timeout_s and telling; 0: none.",
    )
    timeout_s: float = Field(
        default=60.0, gt=1, description="A canary whose page was not answered by then has failed."
    )
    pager: Literal["embedded", "external"] = Field(
        default="embedded",
        description="embedded: a test pager of ours answers; external: yours does, on test/alert.",
    )
    agent_healthz: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="URL of the agent's /healthz. Default: from [telemetry], for one machine.",
    )

    @property
    def on(self) -> bool:
        """Whether canaries are sent without being asked for."""
        return self.period_s > 0

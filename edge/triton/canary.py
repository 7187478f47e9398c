"""The known answer that decides whether a server is trusted: ready stays 200 with a dead stub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.golden import GoldenCase, load_golden_case
from edge.ports import InferenceServer
from edge.triton.status import ServerBroken

CANARY = "canary.npz"


@dataclass(frozen=True)
class Canary:
    """The golden case of one model, asked of any server."""

    model: str
    case: GoldenCase
    deadline_s: float

    async def check(self, server: InferenceServer) -> None:
        """Returns when the known answer came; raises what `infer` raises, ServerBroken for another one."""
        result = await server.infer(self.case.request(self.model, self.deadline_s))
        mismatch = self.case.mismatch(result.outputs)
        if mismatch is not None:
            raise ServerBroken("canary_mismatch", f"{self.model} answered the canary wrongly: {mismatch}")


def load_canary(model_folder: Path, deadline_s: float) -> Canary:
    """The canary of a model folder, `golden/canary.npz`; raises RefuseModel without one."""
    return Canary(model_folder.name, load_golden_case(model_folder / "golden" / CANARY), deadline_s)

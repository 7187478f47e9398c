"""An InferenceServer that knows its golden cases by heart; the contract suite keeps it like a real one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from edge.ports import InferRequest, InferResult
from edge.triton.canary import GoldenCase
from edge.triton.outputs import checked
from edge.triton.status import RequestRefused, ServerAway, ServerLate

# A test's own word on the next request: raise this, or return after doing that.
Twist = Exception | Callable[[], None]


class FakeInferenceServer:
    """`twists` apply to the next requests in turn; `seen` are the requests in the order they came.

    While `held` is not None requests wait for it, `takes_s` is how long an answer takes.
    """

    def __init__(self, model: str, cases: Sequence[GoldenCase], *, degraded: bool = False) -> None:
        self.model = model
        self.cases = cases
        self.degraded = degraded
        self.takes_s = 0.0
        self.up = True
        self.twists: deque[Twist] = deque()
        self.seen: list[InferRequest] = []
        self.held: asyncio.Event | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def infer(self, request: InferRequest) -> InferResult:
        self.seen.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            async with asyncio.timeout(request.deadline_s):
                return await self._answer(request)
        except TimeoutError as error:
            raise ServerLate("deadline_exceeded") from error
        finally:
            self.at_once -= 1

    async def ready(self, model: str) -> bool:
        return self.up and model == self.model

    async def close(self) -> None:
        self.up = False

    async def _answer(self, request: InferRequest) -> InferResult:
        if not self.up:
            raise ServerAway("unavailable")
        if request.model != self.model:
            raise ServerAway("not_found")
        if self.held is not None:
            await self.held.wait()
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.twists:
            twist = self.twists.popleft()
            if isinstance(twist, Exception):
                raise twist
            twist()
        for case in self.cases:
            if all(np.array_equal(request.inputs[n], a) for n, a in case.inputs.items()):
                found = {n: a.copy() for n, a in case.outputs.items()}
                return InferResult(checked(request, found), self.degraded)
        raise RequestRefused("invalid_argument", "no such case")

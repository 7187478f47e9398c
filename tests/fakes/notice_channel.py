"""A NoticeChannel that takes what it is given, or fails as a test says."""

from __future__ import annotations

from collections import deque

from edge.notice_ports import Notice, NotTold


class FakeNoticeChannel:
    """`failures` are the reasons of the next failed attempts in turn; `told` is what was taken."""

    def __init__(self) -> None:
        self.told: list[Notice] = []
        self.tried = 0
        self.failures: deque[str] = deque()

    def tell(self, notice: Notice) -> str:
        self.tried += 1
        if self.failures:
            raise NotTold(self.failures.popleft())
        self.told.append(notice)
        return "accepted"

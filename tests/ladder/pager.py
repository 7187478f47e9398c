"""A pager that answers every page it gets, and writes down what it heard."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from edge.domain.acknowledgement import Answer
from edge.errors import RetryPeer
from edge.mqtt.message import AlertMessage, ResultMessage
from edge.mqtt.subscriber import AlertSubscriber, Received
from tests.ladder.verdict import Heard

_ANSWER_S = 2.0


class AnsweringPager:
    """For the length of the block; an answer that does not reach the broker is given to the next offer."""

    def __init__(self, subscriber: AlertSubscriber) -> None:
        self._subscriber = subscriber
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="pager")
        self._heard = Heard()
        self.last_heard = time.monotonic()

    @property
    def heard(self) -> Heard:
        return self._heard

    def __enter__(self) -> AnsweringPager:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _listen(self) -> None:
        seen: set[str] = set()
        while not self._done.is_set():
            came = self._subscriber.receive(0.2)
            if came is None or not isinstance(came.message, AlertMessage | ResultMessage):
                continue
            self.last_heard = time.monotonic()
            self._heard.messages += 1
            self._heard.again += came.key in seen
            seen.add(came.key)
            if isinstance(came.message, ResultMessage):
                self._heard.results.add(came.message.outcome_id)
            else:
                self._heard.pages[came.message.alert_id].add(came.key)
                self._answer(came)

    def _answer(self, page: Received) -> None:
        try:
            self._subscriber.answer(page, Answer.DELIVERED, "stroke-team", "ladder-pager", _ANSWER_S)
        except RetryPeer:
            return  # the broker is away: the appliance offers it again

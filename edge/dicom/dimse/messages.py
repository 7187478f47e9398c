"""DIMSE messages out of presentation data values (PS3.7 6.3.2, PS3.8 annex E); data sets flow to a sink."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.dicom.dimse.command_set import MOST_BYTES, CommandSet, InvalidCommand, read_command
from edge.dicom.dimse.services import Context
from edge.dicom.upper_layer.pdu import IS_COMMAND, IS_LAST, PresentationDataValue

# A message has at most the ends of command and data set that small; whoever cuts all of it up like that keeps
# a processor busy with a thousandth of what a scanner sends.
_CRUMB_BYTES, _CRUMBS_PER_MESSAGE, _SPARE_CRUMBS = 64, 4, 1024


class Sink(Protocol):
    """Takes the fragments of one data set as they come; they hold for the length of the call."""

    def write(self, *fragments: memoryview) -> None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message; `sink` has taken its data set, None when the command said there is none."""

    context_id: int
    context: Context
    command: CommandSet
    sink: Sink | None


class Assembly:
    """The messages of one association: command and data set of one after the other, never mixed.

    Raises InvalidCommand for what is neither; then the association has to be aborted.
    """

    def __init__(
        self, contexts: Mapping[int, Context], sink_for: Callable[[Context, CommandSet], Sink]
    ) -> None:
        self._contexts = contexts
        self._sink_for = sink_for
        self._command = bytearray()
        self._context_id: int | None = None
        self._expected: Message | None = None
        self._crumbs, self._messages = 0, 0

    @property
    def sink(self) -> Sink | None:
        """That of a message which has begun and may never end."""
        return self._expected.sink if self._expected is not None else None

    @property
    def underway(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._expected is not None or bool(self._command)

    def take(self, values: Sequence[PresentationDataValue]) -> Iterator[Message]:
        """Each message as it becomes whole; to be run to its end before the next bytes are received."""
        at = 0
        while at < len(values):
            context_id, control, payload = values[at]
            if not control & IS_COMMAND:
                fragments = _fragments(values, at)
                at += len(fragments)
                whole = self._data(context_id, fragments, is_last=bool(values[at - 1][1] & IS_LAST))
                if whole is not None:
                    yield whole
                continue
            at += 1
            if self._expected is not None:
                raise InvalidCommand("command_within_data_set")
            message = self._command_fragment(context_id, control, payload)
            if message is None:
                continue
            if message.sink is None:
                yield message
            else:
                self._expected = message

    def _data(self, context_id: int, fragments: list[memoryview], *, is_last: bool) -> Message | None:
        expected = self._expected
        if expected is None or expected.sink is None or expected.context_id != context_id:
            raise InvalidCommand("data_set_unexpected")
        self._count(fragments)
        expected.sink.write(*fragments)
        if not is_last:
            return None
        self._expected = None
        return expected

    def _command_fragment(self, context_id: int, control: int, payload: memoryview) -> Message | None:
        context = self._contexts.get(context_id)
        if context is None:
            raise InvalidCommand("presentation_context_not_accepted")
        if self._command and self._context_id != context_id:
            raise InvalidCommand("command_on_two_contexts")
        if len(self._command) + len(payload) > MOST_BYTES:
            raise InvalidCommand("command_too_long")
        self._count((payload,))
        self._context_id = context_id
        self._command += payload
        if not control & IS_LAST:
            return None
        self._messages += 1
        command = read_command(self._command)
        self._command.clear()
        sink = self._sink_for(context, command) if command.has_data_set else None
        return Message(context_id, context, command, sink)

    def _count(self, fragments: Sequence[memoryview]) -> None:
        self._crumbs += sum(len(fragment) < _CRUMB_BYTES for fragment in fragments)
        if self._crumbs > _SPARE_CRUMBS + _CRUMBS_PER_MESSAGE * self._messages:
            raise InvalidCommand("too_many_small_fragments")


def _fragments(values: Sequence[PresentationDataValue], at: int) -> list[memoryview]:
    """Of one data set from `at` on, to its last or to the end of `values`."""
    context_id = values[at][0]
    found: list[memoryview] = []
    for other_id, control, payload in itertools.islice(values, at, None):
        if control & IS_COMMAND or other_id != context_id:
            break
        found.append(payload)
        if control & IS_LAST:
            break
    return found

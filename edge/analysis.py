"""The slabs of one series on their way through the model, and the evidence that came back."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from edge.domain.arrival import StoredInstance
from edge.domain.evidence import SliceEvidence
from edge.domain.identity import SopInstanceUID
from edge.domain.queueing import Claim, Priority
from edge.domain.series import Slab
from edge.domain.statement import Failure
from edge.errors import RefuseModel
from edge.imaging.volume import Content, Slice
from edge.models import slab_segmentation
from edge.models.contract import ClinicalModel
from edge.ports import InferenceQueue, InferRequest, TensorSpec

# Slabs of one series whose tensors exist at the same time: bounds memory when Triton is slow or away.
PREPARED_SLABS = 6


class DecodedSlices:
    """The latest decoded slices of all series, up to `max_bytes`; older ones are read again when needed."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._slices: OrderedDict[SopInstanceUID, Slice] = OrderedDict()

    def keep(self, decoded: Slice) -> None:
        """Makes room by forgetting the slices that were kept first."""
        if decoded.header.sop_instance_uid in self._slices:
            return
        self._slices[decoded.header.sop_instance_uid] = decoded
        self._bytes += decoded.hu_yx.nbytes
        while self._bytes > self._max_bytes and len(self._slices) > 1:
            _, oldest = self._slices.popitem(last=False)
            self._bytes -= oldest.hu_yx.nbytes

    def get(self, uid: SopInstanceUID) -> Slice | None:
        return self._slices.get(uid)


class Backlog:
    """How many slabs of all series are asked for and not answered, in the queue or on their way to it."""

    def __init__(self) -> None:
        self.slabs = 0

    def answered(self, _task: asyncio.Task[None]) -> None:
        """Also when nobody wants the answer any more."""
        self.slabs -= 1


class Analysis:
    """Asks the model once for every slab that is known, most pressing first.

    `evidence` holds the latest answer per slice; `on_evidence` is told of each one. A slab that a
    later slice has made obsolete is dropped while it still waits. `failure` names the first slab that
    could not be judged; the others are judged all the same.
    """

    def __init__(
        self,
        model: ClinicalModel,
        read: Callable[[StoredInstance], Awaitable[Content]],
        decoded: DecodedSlices,
        inference: InferenceQueue,
        tasks: asyncio.TaskGroup,
        deadline_s: float,
        backlog: Backlog | None = None,
    ) -> None:
        self._backlog = backlog or Backlog()
        self.on_evidence: Callable[[SliceEvidence], None] = _unheard
        self.claim = Claim()
        self.evidence: dict[SopInstanceUID, SliceEvidence] = {}
        self.failure: Failure | None = None
        self._unseen: list[SliceEvidence] = []
        self._model, self._read, self._decoded, self._inference = model, read, decoded, inference
        self._tasks, self._deadline_s = tasks, deadline_s
        self._stored: dict[SopInstanceUID, StoredInstance] = {}
        self._asked: dict[Slab, asyncio.Task[None]] = {}
        self._wanted: dict[SopInstanceUID, Slab] = {}
        self._prepared = asyncio.Semaphore(PREPARED_SLABS)

    def keep(self, instance: StoredInstance, decoded: Slice, at: float, now: float) -> None:
        """Makes the pixels of a slice available to the slabs around it; it was stored `at`, UTC seconds."""
        self.claim.slice_received(at, now, decoded.header.acquired_at)
        self._stored[decoded.header.sop_instance_uid] = instance
        self._decoded.keep(decoded)

    def start(self, slabs: Iterable[Slab]) -> None:
        """Sends every slab that was not sent before on its way, in place of an older one of its centre."""
        for slab in slabs:
            self._wanted[slab.centre] = slab
            if slab not in self._asked:
                self._asked[slab] = task = self._tasks.create_task(self._answer(slab))
                self._backlog.slabs += 1
                task.add_done_callback(self._backlog.answered)

    def unseen(self) -> list[SliceEvidence]:
        """What came since it was asked last."""
        unseen, self._unseen = self._unseen, []
        return unseen

    def judged(self, slabs: Iterable[Slab]) -> bool:
        """Whether every one of these very slabs has its evidence."""
        return all((e := self.evidence.get(s.centre)) is not None and e.slab == s for s in slabs)

    async def finish(self, slabs: Iterable[Slab]) -> AsyncIterator[None]:
        """Yields after each answer until every final slab has its evidence or cannot have one."""
        final = tuple(slabs)
        self.claim.rise(Priority.CLOSING)
        self.start(final)
        for answered in asyncio.as_completed([self._asked[slab] for slab in final]):
            await answered
            yield

    async def _answer(self, slab: Slab) -> None:
        async with self._prepared:
            if self._wanted[slab.centre] != slab:
                del self._asked[slab]
                return
            slices = [await self._slice(uid) for uid in slab.slices]
            usable = [s for s in slices if s is not None]
            if len(usable) < len(slices):
                self._fail(Failure("instance_lost", "a stored slice can no longer be read"))
                return
            centre = usable[len(usable) // 2]
            header = centre.header
            shapes = slab_segmentation.output_shapes(self._model, header.rows, header.columns)
            request = InferRequest(
                model=self._model.model.name,
                inputs=slab_segmentation.prepare(usable),
                outputs={name: TensorSpec(*spec) for name, spec in shapes.items()},
                deadline_s=self._deadline_s,
            )
            try:
                result = await self._inference.infer(request, self.claim)
            except RefuseModel:
                self._fail(Failure("model_refused", "a slab was refused; the log has the reason"))
                return
        evidence = slab_segmentation.interpret(
            self._model, slab, centre, result.outputs, degraded=result.degraded
        )
        if self._wanted[slab.centre] == slab:
            self.evidence[slab.centre] = evidence
            self._unseen.append(evidence)
        self.on_evidence(evidence)

    def _fail(self, failure: Failure) -> None:
        self.failure = self.failure or failure

    async def _slice(self, uid: SopInstanceUID) -> Slice | None:
        known = self._decoded.get(uid)
        if known is not None:
            return known
        read = await self._read(self._stored[uid])
        return read if isinstance(read, Slice) else None


def _unheard(evidence: SliceEvidence) -> None:
    """Evidence is kept either way; a listener is optional."""

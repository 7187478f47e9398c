"""The slabs of one series on their way through the model, and the evidence that came back."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable

from edge.domain.arrival import StoredInstance
from edge.domain.evidence import SliceEvidence
from edge.domain.identity import SopInstanceUID
from edge.domain.series import Slab
from edge.domain.statement import Failure
from edge.errors import RefuseModel
from edge.imaging.volume import Slice
from edge.models import slab_segmentation
from edge.models.contract import ClinicalModel
from edge.ports import InferenceQueue, InferRequest, PixelSource, Priority, TensorSpec

# Decoded slices kept in memory per series; an older one is read from the inbox again when needed.
KEPT_SLICES = 48
# Slabs of one series whose tensors exist at the same time: bounds memory when Triton is slow or away.
PREPARED_SLABS = 6


class Analysis:
    """Asks the model once for every slab that is known, most pressing first.

    `evidence` holds the latest answer per slice; `on_evidence` is told of each one. A slab that a
    later slice has made obsolete is dropped while it still waits.
    """

    def __init__(
        self,
        model: ClinicalModel,
        pixels: PixelSource,
        inference: InferenceQueue,
        tasks: asyncio.TaskGroup,
        deadline_s: float,
    ) -> None:
        self.on_evidence: Callable[[SliceEvidence], None] = _unheard
        self.priority = Priority.ARRIVING
        self.evidence: dict[SopInstanceUID, SliceEvidence] = {}
        self.failure: Failure | None = None
        self._model, self._pixels, self._inference = model, pixels, inference
        self._tasks, self._deadline_s = tasks, deadline_s
        self._stored: dict[SopInstanceUID, StoredInstance] = {}
        self._decoded: OrderedDict[SopInstanceUID, Slice] = OrderedDict()
        self._asked: dict[Slab, asyncio.Task[None]] = {}
        self._wanted: frozenset[Slab] = frozenset()
        self._prepared = asyncio.Semaphore(PREPARED_SLABS)

    def keep(self, instance: StoredInstance, decoded: Slice) -> None:
        """Makes the pixels of a slice available to the slabs around it."""
        self._stored[instance.sop_instance_uid] = instance
        self._decoded[instance.sop_instance_uid] = decoded
        while len(self._decoded) > KEPT_SLICES:
            self._decoded.popitem(last=False)

    def start(self, slabs: Iterable[Slab]) -> None:
        """Sends every slab that was not sent before on its way, and forgets obsolete ones."""
        self._wanted = frozenset(slabs)
        for slab in slabs:
            if slab not in self._asked:
                self._asked[slab] = self._tasks.create_task(self._answer(slab))

    async def finish(self, slabs: Iterable[Slab]) -> AsyncIterator[None]:
        """Yields after each answer until every final slab has its evidence or the analysis has failed."""
        final = tuple(slabs)
        self.priority = Priority.CLOSING
        self.start(final)
        for answered in asyncio.as_completed([self._asked[slab] for slab in final]):
            await answered
            yield

    async def _answer(self, slab: Slab) -> None:
        async with self._prepared:
            if slab not in self._wanted or self.failure is not None:
                del self._asked[slab]
                return
            slices = [await self._slice(uid) for uid in slab.slices]
            usable = [s for s in slices if s is not None]
            if len(usable) < len(slices):
                self.failure = Failure("instance_lost", "a stored slice can no longer be read")
                return
            centre = usable[len(usable) // 2].header
            shapes = slab_segmentation.output_shapes(self._model, centre.rows, centre.columns)
            request = InferRequest(
                model=self._model.model.name,
                inputs=slab_segmentation.prepare(usable),
                outputs={name: TensorSpec(*spec) for name, spec in shapes.items()},
                deadline_s=self._deadline_s,
            )
            try:
                result = await self._inference.infer(request, self.priority)
            except RefuseModel as error:
                self.failure = Failure("model_refused", str(error))
                return
        evidence = slab_segmentation.interpret(
            self._model, slab, centre.pixel_spacing_mm, result.outputs, degraded=result.degraded
        )
        if slab in self._wanted:
            self.evidence[slab.centre] = evidence
        self.on_evidence(evidence)

    async def _slice(self, uid: SopInstanceUID) -> Slice | None:
        known = self._decoded.get(uid)
        if known is not None:
            return known
        read = await asyncio.to_thread(self._pixels.read, self._stored[uid])
        return read if isinstance(read, Slice) else None


def _unheard(evidence: SliceEvidence) -> None:
    """Evidence is kept either way; a listener is optional."""

"""One case through the agent's own path: reader, scope, slabs, analysis, operating points, outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.analysis import Analysis, DecodedSlices
from edge.domain import statement
from edge.domain.arrival import StoredInstance
from edge.domain.case import SeriesCase
from edge.domain.evidence import SliceEvidence, find
from edge.domain.finding import Finding, FindingRule, OperatingPoint
from edge.domain.frame import Frames
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID
from edge.domain.naming import series_reference
from edge.domain.outcome import Outcome
from edge.domain.queueing import Claim
from edge.domain.scanner import Scanner
from edge.domain.series import SeriesInProgress, SliceHeader, UnusableInstance
from edge.domain.statement import Speaker
from edge.errors import RetryPeer
from edge.evaluation.cases import Case
from edge.imaging.volume import Content, Slice
from edge.models.contract import ClinicalModel
from edge.models.slab_segmentation import MASK
from edge.ports import Clock, InferenceQueue, InferRequest, InferResult, PixelSource

_ASSOCIATION = AssociationId("evaluation")
# Tokens of an evaluation name nobody: nothing of them is reported.
_KEY = b"evaluation"
_DECODED_BYTES = 256 << 20
_PATIENCE_S, _PATIENCE_PER_SLICE_S = 120.0, 5.0


@dataclass(frozen=True)
class Judged:
    """What the model said of a case and what the agent would have made of it.

    `scores` are, by finding key, the highest probability at which the page point would still be
    passed with its contiguity, extent and volume; `mask_ml` is the volume of all slices' masks. `masks` hold
    np.packbits of (findings, rows, columns) per slice, 1 where the mask passes its threshold; `heat_yx`
    the highest of the findings' probabilities at each pixel, 255 = certain.
    """

    case: Case
    slices: tuple[SliceHeader, ...]
    evidence: Mapping[SopInstanceUID, SliceEvidence]
    outcome: Outcome
    findings: tuple[Finding, ...]
    scores: Mapping[str, float]
    mask_ml: Mapping[str, float]
    masks: Mapping[SopInstanceUID, NDArray[np.uint8]]
    heat_yx: Mapping[SopInstanceUID, NDArray[np.uint8]]

    @property
    def single_slice(self) -> bool:
        """Judged by its probability alone: one slice tells neither contiguity nor extent or volume."""
        return len(self.slices) == 1

    def mask_of(self, header: SliceHeader, channel: int) -> NDArray[np.bool_]:
        """The mask of one finding (rows, columns)."""
        shape = (-1, header.rows, header.columns)
        pixels = header.rows * header.columns
        packed = self.masks[header.sop_instance_uid]
        channels = packed.size * 8 // pixels
        return np.unpackbits(packed, count=channels * pixels).reshape(shape)[channel].astype(bool)


class _Listening:
    """An InferenceQueue that remembers the outputs of the answer it is just handing out."""

    def __init__(self, queue: InferenceQueue) -> None:
        self._queue = queue
        self.latest: Mapping[str, NDArray[Any]] = {}

    async def infer(self, request: InferRequest, claim: Claim) -> InferResult:
        result = await self._queue.infer(request, claim)
        self.latest = result.outputs
        return result


async def judge(
    case: Case, model: ClinicalModel, pixels: PixelSource, queue: InferenceQueue, clock: Clock
) -> Judged | None:
    """None when no instance of the case is a slice at all; raises RetryPeer when the server is mute."""
    listening = _Listening(queue)
    masks: dict[SopInstanceUID, NDArray[np.uint8]] = {}
    heat_yx: dict[SopInstanceUID, NDArray[np.uint8]] = {}
    certain = int(np.ceil(model.tensors.mask_threshold * 255))

    def keep_mask(evidence: SliceEvidence) -> None:
        # Analysis calls this in the same step in which `infer` returned, so `latest` is its answer.
        masks[evidence.slab.centre] = np.packbits(listening.latest[MASK][0] >= certain)
        heat_yx[evidence.slab.centre] = listening.latest[MASK][0].max(axis=0)

    async def read(instance: StoredInstance) -> Content:
        return await asyncio.to_thread(pixels.read, instance)

    decoded = DecodedSlices(_DECODED_BYTES)
    series = SeriesCase(SeriesInProgress(SeriesInstanceUID("")), model.clinical_scope)
    first: SliceHeader | None = None
    try:
        # Around the TaskGroup, which would turn the error of a mute server into a group of errors.
        async with asyncio.timeout(_PATIENCE_S) as patience:
            async with asyncio.TaskGroup() as tasks:
                analysis = Analysis(model, read, decoded, listening, tasks, _PATIENCE_S)
                analysis.on_evidence = keep_mask
                for sequence, instance in enumerate(case.instances, start=1):
                    async for stored, content in _each_slice(instance, read):
                        if isinstance(content, Slice):
                            first = first or content.header
                            analysis.keep(stored, content, 0.0, 0.0)
                            series = series.slice_arrived(content.header, _ASSOCIATION, sequence, 0.0)
                        else:
                            series = series.unusable_arrived(content, _ASSOCIATION, sequence, 0.0)
                        patience.reschedule((patience.when() or 0.0) + _PATIENCE_PER_SLICE_S)
                series = series.association_released(_ASSOCIATION, len(case.instances) + 1)
                series = series if series.closed else series.quiet()
                series = series if series.closed else series.overdue()
                async for _ in analysis.finish(series.progress.slabs(model.tensors.slab_depth, closed=True)):
                    pass
    except TimeoutError as error:
        raise RetryPeer("the server did not answer in time", hint="See the lines above.") from error
    if first is None:
        return None
    reference = series_reference(_KEY, first, Scanner("", ""), 0, None)
    speaker = Speaker(_KEY, model.identity, model.rules, reference)
    outcome = statement.outcome(speaker, series, analysis.evidence, analysis.failure, clock.utc())
    return _judged(case, series.progress.slices, analysis.evidence, outcome, model.rules, (masks, heat_yx))


async def _each_slice(
    instance: StoredInstance, read: Callable[[StoredInstance], Awaitable[Content]]
) -> AsyncIterator[tuple[StoredInstance, Slice | UnusableInstance]]:
    """What an instance is, or each of its frames, with what it is read from."""
    content = await read(instance)
    if not isinstance(content, Frames):
        yield instance, content
        return
    for number in range(1, content.number + 1):
        framed = replace(instance, frame=number)
        one = await read(framed)
        assert not isinstance(one, Frames), "a frame has no frames"
        yield framed, one


def _judged(
    case: Case,
    slices: tuple[SliceHeader, ...],
    evidence: Mapping[SopInstanceUID, SliceEvidence],
    outcome: Outcome,
    rules: Sequence[FindingRule],
    maps: tuple[Mapping[SopInstanceUID, NDArray[np.uint8]], Mapping[SopInstanceUID, NDArray[np.uint8]]],
) -> Judged:
    findings = outcome.findings
    if len(slices) == 1:
        rules = [replace(r, page=of_one_slice(r.page), worklist=of_one_slice(r.worklist)) for r in rules]
        findings = tuple(f for r in rules if (f := find(r, slices, evidence)) is not None)
    return Judged(
        case=case,
        slices=slices,
        evidence=dict(evidence),
        outcome=outcome,
        findings=findings,
        scores={r.key: score(r, slices, evidence) for r in rules},
        mask_ml={r.key: _mask_ml(r, slices, evidence) for r in rules},
        masks=maps[0],
        heat_yx=maps[1],
    )


def score(
    rule: FindingRule, slices: Sequence[SliceHeader], evidence: Mapping[SopInstanceUID, SliceEvidence]
) -> float:
    """The highest probability at which the page point passes, 0 when it does at none."""
    for probability in sorted({e.probability[rule.key] for e in evidence.values()}, reverse=True):
        point = replace(rule.page, probability=probability)
        if find(replace(rule, page=point, worklist=point), slices, evidence) is not None:
            return probability
    return 0.0


def _mask_ml(
    rule: FindingRule, slices: Sequence[SliceHeader], evidence: Mapping[SopInstanceUID, SliceEvidence]
) -> float:
    """The volume of the mask on every slice, whatever the probability; gaps end it, as in a finding."""
    every = OperatingPoint(probability=0.0, min_contiguous_slices=1, min_volume_ml=0.0)
    found = find(replace(rule, page=every, worklist=every), slices, evidence)
    return found.volume_ml if found is not None else 0.0


def of_one_slice(point: OperatingPoint) -> OperatingPoint:
    """The same point, of which a slice alone can only pass or miss the probability."""
    return replace(point, min_contiguous_slices=1, min_volume_ml=0.0, min_extent_mm=0.0)

"""One evaluation from its cases to report.json and report.html."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import chain

from edge.dicom.decoder_pool import DecoderPool
from edge.dicom.decoder_process import DecoderLimits
from edge.dicom.reader import DicomReader
from edge.domain.arrival import StoredInstance
from edge.domain.finding import Side
from edge.domain.frame import frame_of, instance_of
from edge.domain.identity import SopInstanceUID
from edge.domain.outcome import OutcomeKind
from edge.evaluation.cases import Case, folder_cases, synthetic_cases
from edge.evaluation.command import DEFAULT_GENERATOR, EMBEDDED, ONNX, Plan
from edge.evaluation.figures import CaseSaid, FindingSaid, SliceSaid
from edge.evaluation.gallery import Shown, galleries
from edge.evaluation.judge import Judged, judge
from edge.evaluation.page import page
from edge.evaluation.phantoms import fingerprinted, generator_named
from edge.evaluation.pictures import key_header, legend, picture
from edge.evaluation.report import Figures, Provenance, Timing, figures_of, report
from edge.evaluation.server import Answering, Say, answering, dispatching
from edge.evaluation.truth import read_labels
from edge.imaging.volume import Slice
from edge.models.contract import ClinicalModel
from edge.ports import Clock, InferenceQueue
from edge.settings import Settings
from edge.telemetry.events import Happening, InferenceFailed, SlabInferred
from edge.triton.model_check import check_model


def evaluate(plan: Plan, settings: Settings, clock: Clock, say: Say) -> Figures:
    """Writes both files into `plan.out`; raises what stops it before anything is written."""
    folder = settings.models.repository / plan.model
    model = check_model(folder)
    keys = [r.key for r in model.rules]
    labels = read_labels(plan.labels, keys) if plan.labels is not None else ()
    filed = folder_cases(plan.cases, labels) if plan.cases is not None else []
    drawn = hashlib.sha256()
    heads = fingerprinted(generator_named(plan.generator)(plan.phantoms, plan.seed), drawn)
    plan.out.mkdir(parents=True, exist_ok=True)
    asked = len(filed) + plan.phantoms
    run = _Run(model, clock, plan.pictures, lambda number, what: say(f"{number}/{asked}  {what}"))
    with answering(plan.server, folder, settings, clock, say) as answers:
        asyncio.run(run.all(chain(filed, synthetic_cases(heads)), answers, say))
    figures = figures_of(run.said, model.rules)
    timing = Timing(tuple(s.queued_s for s in run.slabs), tuple(s.took_s for s in run.slabs))
    said = report(model, run.said, figures, timing, _provenance(plan, filed, drawn.hexdigest()))
    (plan.out / "report.json").write_text(json.dumps(said, indent=1) + "\n")
    (plan.out / "report.html").write_text(page(said, figures, galleries(run.shown), legend(keys)))
    return figures


class _Run:
    """What an evaluation has heard so far."""

    def __init__(
        self, model: ClinicalModel, clock: Clock, pictures: str, progress: Callable[[int, str], None]
    ) -> None:
        self.said: list[CaseSaid] = []
        self.shown: list[Shown] = []
        self.slabs: list[SlabInferred] = []
        self._model, self._clock, self._pictures, self._progress = model, clock, pictures, progress

    async def all(self, cases: Iterator[Case], answers: Answering, say: Say) -> None:
        def heard(happening: Happening) -> None:
            match happening:
                case SlabInferred():
                    self.slabs.append(happening)
                case InferenceFailed():
                    say(f"attempt {happening.attempt} failed: {happening.reason}")
                case _:
                    pass

        with closing(DecoderPool(DecoderLimits(), heard)) as pool:
            async with dispatching(answers, self._clock, heard) as queue:
                while (case := await asyncio.to_thread(next, cases, None)) is not None:
                    await self._one(case, queue, DicomReader(case.root, pool.decode))

    async def _one(self, case: Case, queue: InferenceQueue, pixels: DicomReader) -> None:
        judged = await judge(case, self._model, pixels, queue, self._clock)
        said = case_said(judged) if judged is not None else _no_slice(case)
        self.said.append(said)
        if judged is not None and (self._pictures == "all" or (case.synthetic and self._pictures != "none")):
            await asyncio.to_thread(self._picture, judged, said, pixels)
        passed = ", ".join(f"{f.key} {f.level}" for f in said.findings if f.level) or "nothing"
        self._progress(len(self.said), f"{said.name}  {said.outcome}, {passed}, score {said.score:.2f}")

    def _picture(self, judged: Judged, said: CaseSaid, pixels: DicomReader) -> None:
        header = key_header(judged)
        stored = {i.sop_instance_uid: i for i in judged.case.instances}
        shown = pixels.read(_stored_slice(stored, header.sop_instance_uid)) if header is not None else None
        if isinstance(shown, Slice):
            self.shown.append(Shown(said, picture(judged, shown)))


def _stored_slice(stored: Mapping[SopInstanceUID, StoredInstance], name: SopInstanceUID) -> StoredInstance:
    return replace(stored[instance_of(name)], frame=frame_of(name))


def case_said(judged: Judged) -> CaseSaid:
    """The numbers of a judged case."""
    case = judged.case
    by_key = {f.rule.key: f for f in judged.findings}
    findings: list[FindingSaid] = []
    for key, score in judged.scores.items():
        found = by_key.get(key)
        findings.append(
            FindingSaid(
                key=key,
                level=found.level if found is not None else None,
                score=score,
                volume_ml=found.volume_ml if found is not None else 0.0,
                mask_ml=judged.mask_ml[key],
                slices=len(found.slices) if found is not None else 0,
                side=found.side if found is not None else Side.UNKNOWN,
            )
        )
    slices: list[SliceSaid] = []
    for header in judged.slices:
        uid = header.sop_instance_uid
        evidence, truth = judged.evidence.get(uid), case.slice_truth.get(uid)
        blood = truth.findings if truth is not None else None
        slices.append(SliceSaid(dict(evidence.probability) if evidence is not None else {}, blood))
    thickness = judged.slices[0].slice_thickness_mm if judged.slices else None
    return CaseSaid(
        name=case.name,
        synthetic=case.synthetic,
        group=case.group,
        truth=case.truth,
        outcome=judged.outcome.kind,
        reason=judged.outcome.reason,
        thickness_mm=thickness,
        findings=tuple(findings),
        slices=tuple(slices),
    )


def _no_slice(case: Case) -> CaseSaid:
    return CaseSaid(
        case.name, case.synthetic, case.group, case.truth, OutcomeKind.NOT_ELIGIBLE, "no_slice", None, (), ()
    )


def _provenance(plan: Plan, filed: list[Case], drawn: str) -> Provenance:
    """The command with places instead of the user's own paths, which may name somebody."""
    words = ["edge", "models", "evaluate", plan.model]
    words += ["--cases", "FOLDER"] if plan.cases is not None else []
    words += ["--labels", f"LABELS{plan.labels.suffix}"] if plan.labels is not None else []
    if plan.phantoms:
        words += ["--phantoms", str(plan.phantoms), "--seed", str(plan.seed)]
        words += ["--generator", plan.generator] if plan.generator != DEFAULT_GENERATOR else []
    server = plan.server if plan.server in (EMBEDDED, ONNX) else "URL"
    words += ["--server", server, "--pictures", plan.pictures, "--out", "OUT"]
    contents = sorted(i.digest for c in filed for i in c.instances)
    digest = hashlib.sha256("\n".join(contents).encode()).hexdigest() if contents else ""
    labels = hashlib.sha256(plan.labels.read_bytes()).hexdigest() if plan.labels is not None else ""
    drawn = drawn if plan.phantoms else ""
    return Provenance(
        shlex.join(words), server, plan.phantoms, plan.seed, plan.generator, drawn, digest, labels
    )

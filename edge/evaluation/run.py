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
from edge.errors import RetryPeer, ShedLoad, where
from edge.evaluation.cases import Case, folder_cases, synthetic_cases
from edge.evaluation.command import DEFAULT_GENERATOR, EMBEDDED, ONNX, Plan
from edge.evaluation.figures import CaseSaid, FindingSaid, SliceSaid
from edge.evaluation.gallery import Shown, galleries
from edge.evaluation.judge import Judged, judge
from edge.evaluation.page import page
from edge.evaluation.phantoms import fingerprinted, generator_named
from edge.evaluation.pictures import key_header, legend, picture
from edge.evaluation.report import Answered, BrokenOff, Figures, Provenance, Timing, figures_of, report
from edge.evaluation.server import Answering, Say, answering, dispatching
from edge.evaluation.truth import read_labels
from edge.imaging.volume import Slice
from edge.models.contract import ClinicalModel
from edge.ports import Clock, InferenceQueue
from edge.settings import Settings
from edge.telemetry.events import Happening, InferenceFailed, SlabInferred
from edge.triton.model_check import check_model
from edge.writable import made_writable

_DATA, _PAGE = "report.json", "report.html"


def evaluate(plan: Plan, settings: Settings, clock: Clock, say: Say) -> Figures:
    """Writes both files into `plan.out`; raises what stops it.

    What stops it after a case was judged is raised when a report of the cases before is written, for they
    may have taken hours; else nothing is written.
    """
    folder = settings.models.repository / plan.model
    model = check_model(folder)
    labels = read_labels(plan.labels, [r.key for r in model.rules]) if plan.labels is not None else ()
    draw = generator_named(plan.generator)
    made_writable(plan.out, _DATA, _PAGE)
    filed = folder_cases(plan.cases, labels) if plan.cases is not None else []
    drawn = hashlib.sha256()
    heads = fingerprinted(draw(plan.phantoms, plan.seed), drawn)
    asked = len(filed) + plan.phantoms
    ran = _provenance(plan, filed)
    run = _Run(model, clock, plan.pictures, lambda number, what: say(f"{number}/{asked}  {what}"))
    try:
        with answering(plan.server, folder, settings, clock, say) as answers:
            asyncio.run(run.all(chain(filed, synthetic_cases(heads)), answers, say))
    except BaseException as error:
        if run.said:
            broken_off = BrokenOff(_why(error), max(0, asked - len(run.said)))
            _write(plan, run, _ended(ran, run, drawn.hexdigest(), broken_off))
            say(f"broken off after {len(run.said)} of {asked} cases: the report in {plan.out} is of those")
        raise
    return _write(plan, run, _ended(ran, run, drawn.hexdigest(), None))


def _why(error: BaseException) -> str:
    """Without the text of an error that might name a file: reports are passed on."""
    match error:
        case KeyboardInterrupt():
            return "interrupted"
        case RetryPeer() | ShedLoad():
            return str(error)
        case _:
            return where(error)


def _write(plan: Plan, run: _Run, ran: Provenance) -> Figures:
    rules = run.model.rules
    figures = figures_of(run.said, rules)
    timing = Timing(tuple(s.queued_s for s in run.slabs), tuple(s.took_s for s in run.slabs))
    said = report(run.model, run.said, figures, timing, ran)
    (plan.out / _DATA).write_text(json.dumps(said, indent=1) + "\n")
    colours = legend([r.key for r in rules])
    (plan.out / _PAGE).write_text(page(said, figures, galleries(run.shown), colours))
    return figures


class _Run:
    """What an evaluation has heard so far."""

    def __init__(
        self, model: ClinicalModel, clock: Clock, pictures: str, progress: Callable[[int, str], None]
    ) -> None:
        self.said: list[CaseSaid] = []
        self.shown: list[Shown] = []
        self.slabs: list[SlabInferred] = []
        self.model = model
        self.answered_by: Answered | None = None
        self._clock, self._pictures, self._progress = clock, pictures, progress

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
            async with dispatching(answers, self._clock, heard) as (queue, by):
                self.answered_by = by
                while (case := await asyncio.to_thread(next, cases, None)) is not None:
                    await self._one(case, queue, DicomReader(case.root, pool.decode))

    async def _one(self, case: Case, queue: InferenceQueue, pixels: DicomReader) -> None:
        judged = await judge(case, self.model, pixels, queue, self._clock)
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


def _provenance(plan: Plan, filed: list[Case]) -> Provenance:
    """The command with places instead of the user's own paths, which may name somebody.

    Known before the first case, for files may be gone after the last one.
    """
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
    return Provenance(
        command=shlex.join(words),
        server=server,
        phantoms=plan.phantoms,
        seed=plan.seed,
        generator=plan.generator,
        phantoms_sha256="",
        cases_sha256=digest,
        labels_sha256=labels,
        answered_by=None,
        broken_off=None,
    )


def _ended(ran: Provenance, run: _Run, drawn: str, broken_off: BrokenOff | None) -> Provenance:
    drawn = drawn if ran.phantoms else ""
    return replace(ran, phantoms_sha256=drawn, answered_by=run.answered_by, broken_off=broken_off)

"""The cases of an evaluation: series of a folder with their labels, and synthetic heads with their truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edge.dicom.part10_folder import FiledInstance, file_phantom, filed_instances
from edge.domain.arrival import StoredInstance
from edge.domain.identity import SopInstanceUID
from edge.errors import RejectInput
from edge.evaluation.phantoms import SyntheticHead
from edge.evaluation.truth import Label, Truth
from edge.imaging.phantom import BleedType

NEGATIVE = Truth(frozenset())


@dataclass(frozen=True)
class Case:
    """One series; `name` is a number and never a file's name or a UID.

    `slice_truth` holds what is known of single slices; `blood_yx`, of synthetic cases only, is
    uint8, 0 or `BleedType.label`. `root` is where the instances' paths begin.
    """

    name: str
    synthetic: bool
    group: str
    root: Path
    instances: tuple[StoredInstance, ...]
    truth: Truth | None
    slice_truth: Mapping[SopInstanceUID, Truth]
    blood_yx: Mapping[SopInstanceUID, NDArray[np.uint8]] = field(
        default_factory=dict[SopInstanceUID, NDArray[np.uint8]]
    )


def synthetic_cases(heads: Iterable[SyntheticHead]) -> Iterator[Case]:
    """Each head as DICOM files in a folder of its own, which is gone when the next one is asked for."""
    for number, head in enumerate(heads, start=1):
        with TemporaryDirectory(prefix="edge-evaluate-") as scratch:
            yield _synthetic(f"synthetic-{number:04}", head, Path(scratch))


def folder_cases(folder: Path, labels: Sequence[Label]) -> list[Case]:
    """The series below `folder`, in the order of their first file; those without a label have no truth.

    Raises RejectInput for a folder without DICOM and for a label that fits nothing, or too much.
    """
    series: dict[str, list[FiledInstance]] = defaultdict(list)
    for filed in filed_instances(folder):
        series[filed.series_instance_uid or filed.instance.path].append(filed)
    if not series:
        raise RejectInput(
            "cases", "the folder of --cases holds no DICOM file", hint="Part 10 files, any depth."
        )
    of_series, of_slice = _matched(series, labels)
    return [
        _filed(f"case-{number:04}", folder, members, of_series.get(uid), of_slice)
        for number, (uid, members) in enumerate(series.items(), start=1)
    ]


def _synthetic(name: str, head: SyntheticHead, folder: Path) -> Case:
    phantom = head.phantom
    filed = file_phantom(phantom, folder)
    uids = [f.instance.sop_instance_uid for f in filed]
    present = {t: ml for t, ml in phantom.blood_ml.items() if ml > 0}
    truth = Truth(
        frozenset(t.value for t in present),
        {t.value: ml for t, ml in present.items()},
        {t.value: side for t, side in head.sides.items()},
    )
    return Case(
        name=name,
        synthetic=True,
        group=head.group,
        root=folder,
        instances=tuple(f.instance for f in filed),
        truth=truth,
        slice_truth={u: _shown(k) for u, k in zip(uids, phantom.labels_zyx, strict=True)},
        blood_yx=dict(zip(uids, phantom.labels_zyx, strict=True)),
    )


def _shown(labels_yx: NDArray[np.uint8]) -> Truth:
    present = set(np.unique(labels_yx).tolist())
    return Truth(frozenset(t.value for t in BleedType if t.label in present))


def _filed(
    name: str,
    folder: Path,
    members: Sequence[FiledInstance],
    label: Label | None,
    of_slice: Mapping[SopInstanceUID, Label],
) -> Case:
    uids = [m.instance.sop_instance_uid for m in members]
    known = {u: of_slice[u] for u in uids if u in of_slice}
    named = [label] if label is not None else [known[u] for u in uids if u in known]
    truth = None
    if label is not None:
        truth = label.truth
    elif len(known) == len(uids):
        together = frozenset[str]().union(*(k.truth.findings for k in known.values()))
        truth = next(iter(known.values())).truth if len(known) == 1 else Truth(together)
    negative = truth is not None and not truth.positive
    slice_truth = dict.fromkeys(uids, NEGATIVE) if negative else {u: k.truth for u, k in known.items()}
    return Case(
        name=name,
        synthetic=bool(named) and all(n.synthetic for n in named),
        group=named[0].group if named else "",
        root=folder,
        instances=tuple(m.instance for m in members),
        truth=truth,
        slice_truth=slice_truth,
    )


def _matched(
    series: Mapping[str, Sequence[FiledInstance]], labels: Sequence[Label]
) -> tuple[dict[str, Label], dict[SopInstanceUID, Label]]:
    """Labels by Series Instance UID, and by SOP Instance UID."""
    files: dict[str, set[SopInstanceUID]] = defaultdict(set)
    folders: dict[str, set[str]] = defaultdict(set)
    for uid, members in series.items():
        folders[uid].add(uid)
        above = [{str(p) for p in PurePosixPath(m.instance.path).parents} for m in members]
        for folder in above[0].intersection(*above) - {"."}:
            folders[folder].add(uid)
        for member in members:
            path = PurePosixPath(member.instance.path)
            for name in {str(path), path.name, path.stem, member.instance.sop_instance_uid}:
                files[name].add(member.instance.sop_instance_uid)
    of_series: dict[str, Label] = {}
    of_slice: dict[SopInstanceUID, Label] = {}
    for number, label in enumerate(labels, start=1):
        slices, whole = files.get(label.id, set()), folders.get(label.id, set())
        if not slices and not whole:
            raise RejectInput("labels", f"label {number} fits no series or file below --cases")
        if len(slices) > 1 and not whole:
            raise RejectInput("labels", f"label {number} fits {len(slices)} files", hint="Give its path.")
        of_series |= dict.fromkeys(whole, label)
        if not whole:
            of_slice |= dict.fromkeys(slices, label)
    return of_series, of_slice

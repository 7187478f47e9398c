"""Which label belongs to which file: real Part 10 files, tiny ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.dicom.frame_decoder import decode_frame
from edge.dicom.part10_folder import FiledInstance, file_phantom, filed_instances
from edge.dicom.reader import DicomReader
from edge.errors import RejectInput
from edge.evaluation.cases import folder_cases, synthetic_cases
from edge.evaluation.phantoms import SyntheticHead, generator_named
from edge.evaluation.truth import Label, Truth
from edge.imaging.phantom import Acquisition, BleedType, HeadPhantom
from edge.imaging.volume import Slice

SUBDURAL, NOTHING = Truth(frozenset({"subdural"})), Truth(frozenset())


def tiny(seed: int, slices: int = 3) -> HeadPhantom:
    """A stack of noise in the shape of a phantom; blood in the middle slice."""
    scan = Acquisition(rows=16, columns=16, slices=slices)
    voxels = np.random.default_rng(seed).integers(0, 80, (slices, 16, 16)).astype(np.int16)
    labels = np.zeros(voxels.shape, np.uint8)
    labels[slices // 2, 4:8, 4:8] = BleedType.SUBDURAL.label
    positions = np.stack([np.zeros(slices), np.zeros(slices), 4.0 * np.arange(slices)], axis=1)
    blood_ml = dict.fromkeys(BleedType, 0.0) | {BleedType.SUBDURAL: 0.5}
    return HeadPhantom(voxels, labels, blood_ml, positions, scan.image_orientation, scan, seed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two series in folders of equal file names, and a file that is no DICOM."""
    for number in (1, 2):
        place = tmp_path / "cases" / f"head{number}"
        place.mkdir(parents=True)
        file_phantom(tiny(number), place)
    (tmp_path / "cases" / "README.txt").write_text("not an image")
    return tmp_path / "cases"


def filed(folder: Path, name: str) -> list[FiledInstance]:
    return [f for f in filed_instances(folder) if f.instance.path.startswith(name)]


def test_a_series_is_named_by_uid_or_by_its_folder(folder: Path) -> None:
    uid = filed(folder, "head1")[0].series_instance_uid
    cases = folder_cases(folder, [Label(uid, SUBDURAL, group="trauma"), Label("head2", NOTHING)])
    assert [(c.truth, c.group, len(c.instances)) for c in cases] == [
        (SUBDURAL, "trauma", 3),
        (NOTHING, "", 3),
    ]
    # A series without blood has none on any slice; one with blood leaves its slices open.
    assert [len(c.slice_truth) for c in cases] == [0, 3]


def test_slices_with_labels_of_their_own_make_up_their_series(folder: Path) -> None:
    one, two, three = (f.instance.sop_instance_uid for f in filed(folder, "head1"))
    labels = [Label(one, NOTHING), Label(two, SUBDURAL), Label("head1/0002.dcm", NOTHING)]
    first, second = folder_cases(folder, labels)
    assert first.truth == SUBDURAL
    assert first.slice_truth == {one: NOTHING, two: SUBDURAL, three: NOTHING}
    assert (second.truth, second.slice_truth) == (None, {})


def test_some_labelled_slices_do_not_make_a_series(folder: Path) -> None:
    first, _ = folder_cases(folder, [Label("head1/0001.dcm", SUBDURAL)])
    assert first.truth is None
    assert len(first.slice_truth) == 1


@pytest.mark.parametrize(("name", "said"), [("0001.dcm", "fits 2 files"), ("9.9.9", "fits no series")])
def test_a_label_must_fit_one_thing(folder: Path, name: str, said: str) -> None:
    with pytest.raises(RejectInput, match=said):
        folder_cases(folder, [Label(name, SUBDURAL)])


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(RejectInput, match="no DICOM file"):
        folder_cases(tmp_path, [])


def test_a_synthetic_case_reads_back_what_was_drawn() -> None:
    phantom = tiny(3)
    head = SyntheticHead(phantom, "noise", {BleedType.SUBDURAL: "left"})
    folders: list[Path] = []
    for case in synthetic_cases([head]):
        folders.append(case.root)
        read = [DicomReader(case.root, decode_frame).read(i) for i in case.instances]
        assert all(isinstance(s, Slice) for s in read)
        assert (np.stack([s.hu_yx for s in read if isinstance(s, Slice)]) == phantom.voxels_zyx_hu).all()
        assert case.truth == Truth(frozenset({"subdural"}), {"subdural": 0.5}, {"subdural": "left"})
        shown = [case.slice_truth[i.sop_instance_uid].findings for i in case.instances]
        assert shown == [frozenset(), {"subdural"}, frozenset()]
    assert not any(f.exists() for f in folders)


def test_the_generator_gives_each_bleed_its_own_head_without_it() -> None:
    bled, quiet, *_ = generator_named("edge.evaluation.phantoms:heads")(2, 4)
    again, *_ = generator_named("edge.evaluation.phantoms:heads")(1, 4)
    assert (bled.phantom.voxels_zyx_hu == again.phantom.voxels_zyx_hu).all()
    assert bled.phantom.acquisition == quiet.phantom.acquisition
    assert sum(bled.phantom.blood_ml.values()) > 0 == sum(quiet.phantom.blood_ml.values())
    assert bled.sides.keys() == {t for t, ml in bled.phantom.blood_ml.items() if ml > 0}
    assert not quiet.sides

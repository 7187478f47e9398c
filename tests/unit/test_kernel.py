"""How sharp a kernel is by the names of its vendor, and what that means for a series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.eligibility import slice_out_of_scope
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID
from edge.domain.kernel import Sharpness, sharpness
from edge.domain.outcome import OutcomeKind
from edge.models.contract import load_clinical_model
from tests.builders import ANY_HEAD_CT, header
from tests.fakes.scanner_room import HEAD, MODEL, ScannerRoom
from tests.unit.test_agent import play

GE, SIEMENS, PHILIPS = "GE MEDICAL SYSTEMS", "SIEMENS", "Philips"
TOSHIBA, CANON, UIH = "TOSHIBA", "CANON_MEC", "UIH"
# A soft word and one for bone or lung: for which of them it was made, the name does not say.
CONTRADICTORY = ("BRAIN EDGE", "Brain Sharp", "SOFT_EDGE", "ULTRASMOOTH", "STND LUNG", "Bone Detail")
MODELS = Path(__file__).parents[2] / "model_repo"


@pytest.mark.parametrize(
    ("manufacturer", "kernels", "expected"),
    [
        (GE, "SOFT STANDARD STND STD+ SMOOTH", Sharpness.SOFT),
        (GE, "DETAIL DETL", Sharpness.MEDIUM),
        (GE, "BONE BONEPLUS EDGE LUNG ULTRA CHST", Sharpness.SHARP),
        (SIEMENS, "H10s H20s H30s H31s H40s H48s B30f J30s J40s Hr36 Hr38d Hr40f Br40 Qr40d", Sharpness.SOFT),
        (SIEMENS, "H50s B50f Hr56", Sharpness.MEDIUM),
        (SIEMENS, "H60s H70h H90s B60f B70f B80f J70h U75u Hr64 Hr68h Br64d Ur77u", Sharpness.SHARP),
        ("Siemens Healthineers", "Hr38f", Sharpness.SOFT),
        (PHILIPS, "UA UB A B", Sharpness.SOFT),
        (PHILIPS, "UC C", Sharpness.MEDIUM),
        (PHILIPS, "D E EB L YA YB YC YD YE", Sharpness.SHARP),
        (TOSHIBA, "FC13 FC20 FC21 FC26 FC41 FC64 FC68", Sharpness.SOFT),
        (CANON, "FC30 FC31 FC35 FC51 FC52 FC56 FC80 FC81", Sharpness.SHARP),
        (UIH, "H_SOFT_B B_SOFT_B", Sharpness.SOFT),
        (UIH, "B_SHARP_C B_VSHARP_C H_BONE", Sharpness.SHARP),
        ("", "H30s FC21 STANDARD", Sharpness.SOFT),
        ("", "BONE H70h FC81", Sharpness.SHARP),
    ],
)
def test_names_of_vendors(manufacturer: str, kernels: str, expected: Sharpness) -> None:
    assert {k: sharpness(manufacturer, k) for k in kernels.split()} == dict.fromkeys(
        kernels.split(), expected
    )


@pytest.mark.parametrize(
    ("manufacturer", "kernel"),
    [
        *((vendor, name) for vendor in (GE, PHILIPS, CANON, UIH, "") for name in CONTRADICTORY),
        (GE, "E"),
        (GE, "YA"),
        ("", "D"),
        ("Neusoft", "F20"),
        (PHILIPS, "ZZ"),
        (CANON, "FC90"),
        (GE, "H70H"),
    ],
)
def test_a_name_that_nobody_knows_is_unknown(manufacturer: str, kernel: str) -> None:
    assert sharpness(manufacturer, kernel) is Sharpness.UNKNOWN


def test_a_header_without_a_kernel_says_nothing_and_a_model_may_vouch_for_a_name() -> None:
    assert sharpness(GE, "  ") is Sharpness.UNSAID
    assert sharpness("Neusoft", "f20", {"F20": Sharpness.SOFT}) is Sharpness.SOFT


@given(st.text(max_size=16), st.text(max_size=16))
def test_any_text_has_an_answer(manufacturer: str, kernel: str) -> None:
    assert sharpness(manufacturer, kernel) in Sharpness


@pytest.mark.parametrize("name", ["ct_head_hemorrhage", "ct_head_hyperdensity"])
def test_the_models_here_look_at_no_bone_kernel(name: str) -> None:
    scope = load_clinical_model(MODELS / name).clinical_scope
    for manufacturer, kernel, reason in (
        (GE, "STANDARD", None),
        (GE, "BONEPLUS", "kernel"),
        (SIEMENS, "H70h", "kernel"),
        (PHILIPS, "UB", None),
        (CANON, "FC30", "kernel"),
        ("Neusoft", "F20", None),
        (GE, "BRAIN EDGE", None),
        (GE, "", None),
    ):
        one = header(0, manufacturer=manufacturer, convolution_kernel=kernel)
        assert slice_out_of_scope(one, scope) == reason


def test_without_a_scope_of_kernels_all_are_looked_at() -> None:
    assert slice_out_of_scope(header(0, manufacturer=GE, convolution_kernel="BONE"), ANY_HEAD_CT) is None


def _room_of(monkeypatch: pytest.MonkeyPatch) -> None:
    scope = MODEL.scope.model_copy(update={"kernels": frozenset(Sharpness) - {Sharpness.SHARP}})
    monkeypatch.setattr("tests.fakes.scanner_room.MODEL", MODEL.model_copy(update={"scope": scope}))


def test_bone_beside_soft_is_not_eligible_and_the_soft_one_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    _room_of(monkeypatch)
    soft = [replace(h, manufacturer=GE, convolution_kernel="STANDARD") for h in HEAD]
    bone = [
        replace(
            h,
            manufacturer=GE,
            convolution_kernel="BONEPLUS",
            series_instance_uid=SeriesInstanceUID("9.9"),
            sop_instance_uid=SopInstanceUID(f"9.9.{i}"),
        )
        for i, h in enumerate(HEAD)
    ]

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        for one, other in zip(soft, bone, strict=True):
            room.sends("a", one, other)
        room.releases("a")
        outcomes = await room.until_outcomes(2)
        assert {str(o.series.series_instance_uid): (o.kind, o.reason) for o in outcomes}["9.9"] == (
            OutcomeKind.NOT_ELIGIBLE,
            "kernel",
        )

    assert sorted(play(script).results) == ["no_finding", "not_eligible"]


@pytest.mark.parametrize("name", ["Q7", "BRAIN EDGE"])
@pytest.mark.parametrize("blood", [[], [8, 9, 10]])
def test_a_kernel_of_unknown_name_gets_its_findings_and_no_negative(
    monkeypatch: pytest.MonkeyPatch, blood: list[int], name: str
) -> None:
    _room_of(monkeypatch)

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *[replace(h, manufacturer="X", convolution_kernel=name) for h in HEAD], blood=blood)
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.INCOMPLETE, "kernel_unknown")
        assert name in outcome.detail

    room = play(script)
    assert [status for status, _ in room.pages] == (["preliminary", "incomplete"] if blood else [])

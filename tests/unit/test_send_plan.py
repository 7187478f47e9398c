"""The virtual scanner's plan, checked without a network."""

import argparse
import shlex
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dicom.send_command import add_arguments, plan_from_arguments
from edge.dicom.send_plan import (
    Abort,
    Associate,
    FolderSource,
    Order,
    PhantomSource,
    Release,
    Send,
    SendPlan,
    plan_sends,
)
from edge.imaging.phantom import Bleed, BleedType

SOURCE = (PhantomSource(),)
LENGTHS = st.lists(st.integers(0, 12), min_size=1, max_size=4)


@st.composite
def plans(draw: st.DrawFn) -> SendPlan:
    return SendPlan(
        sources=SOURCE,
        slices_per_s=draw(st.none() | st.floats(0.5, 500)),
        order=draw(st.sampled_from(Order)),
        order_seed=draw(st.integers(0, 99)),
        interleave=draw(st.booleans()),
        gap=draw(st.frozensets(st.integers(0, 12), max_size=4)),
        abort_after=draw(st.none() | st.integers(0, 60)),
        duplicates=draw(st.integers(0, 5)),
        associations=draw(st.sampled_from(["one", "per_instance"])),
    )


def sends_of(lengths: list[int], plan: SendPlan) -> list[tuple[int, int]]:
    return [(s.series, s.index) for s in plan_sends(lengths, plan) if isinstance(s, Send)]


@given(LENGTHS, plans())
def test_everything_but_the_gap_goes_out_once_plus_the_duplicates(lengths: list[int], plan: SendPlan) -> None:
    promised = Counter((s, i) for s, n in enumerate(lengths) for i in range(n) if i not in plan.gap)
    sent = Counter(sends_of(lengths, plan))
    assert set(sent) <= set(promised)
    total = len(promised) + (plan.duplicates if promised else 0)
    if plan.abort_after is not None and plan.abort_after <= total:
        assert sent.total() == plan.abort_after
    else:
        assert set(sent) == set(promised)
        assert sent.total() == total


@given(LENGTHS, plans())
def test_every_association_is_opened_before_use_and_ended_once(lengths: list[int], plan: SendPlan) -> None:
    is_open = False
    steps = plan_sends(lengths, plan)
    for step in steps:
        if isinstance(step, Associate):
            assert not is_open
            is_open = True
        elif isinstance(step, Send):
            assert is_open
        else:
            assert is_open
            is_open = False
    assert not is_open
    assert sum(isinstance(s, Abort) for s in steps) <= 1
    assert not any(isinstance(s, Abort) for s in steps[:-1])


@given(LENGTHS, plans())
def test_due_times_keep_the_pace(lengths: list[int], plan: SendPlan) -> None:
    due = [s.due_s for s in plan_sends(lengths, plan) if isinstance(s, Send)]
    pause = 1 / plan.slices_per_s if plan.slices_per_s else 0.0
    assert due == pytest.approx([k * pause for k in range(len(due))])


@given(LENGTHS, plans())
def test_the_same_plan_is_the_same_steps(lengths: list[int], plan: SendPlan) -> None:
    assert plan_sends(lengths, plan) == plan_sends(lengths, plan)


def test_reverse_turns_each_series_around() -> None:
    assert sends_of([3], SendPlan(SOURCE, order=Order.REVERSE)) == [(0, 2), (0, 1), (0, 0)]


def test_shuffle_changes_the_order_and_its_seed_another_one() -> None:
    shuffled = [sends_of([30], SendPlan(SOURCE, order=Order.SHUFFLE, order_seed=seed)) for seed in (1, 2)]
    assert shuffled[0] != shuffled[1]
    assert shuffled[0] != sorted(shuffled[0])


def test_interleaving_takes_one_of_each_series_in_turn() -> None:
    plan = SendPlan(SOURCE, interleave=True)
    assert sends_of([3, 1, 2], plan) == [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2)]


def test_duplicates_come_after_their_original() -> None:
    sent = sends_of([10], SendPlan(SOURCE, duplicates=6))
    firsts = list(dict.fromkeys(sent))
    assert firsts == [(0, i) for i in range(10)]
    assert len(sent) == 16


def test_one_association_per_instance_releases_each() -> None:
    steps = plan_sends([2], SendPlan(SOURCE, associations="per_instance"))
    assert [type(s) for s in steps] == [Associate, Send, Release, Associate, Send, Release]


def test_an_abort_ends_the_run_without_a_release() -> None:
    steps = plan_sends([5], SendPlan(SOURCE, abort_after=2))
    assert [type(s) for s in steps] == [Associate, Send, Send, Abort]


@pytest.mark.parametrize(
    "wrong", [{"sources": ()}, {"slices_per_s": 0.0}, {"duplicates": -1}, {"abort_after": -1}]
)
def test_a_plan_that_cannot_be_carried_out_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        SendPlan(**{"sources": SOURCE, **wrong})  # type: ignore[arg-type]


def parsed(*words: str) -> SendPlan:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return plan_from_arguments(parser.parse_args(words))


def test_without_options_one_phantom_without_a_bleed_is_sent() -> None:
    (source,) = parsed().sources
    assert isinstance(source, PhantomSource)
    assert source.bleeds == ()
    assert source.acquisition.slices == 36


def test_options_become_the_plan(tmp_path: Path) -> None:
    plan = parsed(
        *shlex.split("--phantom 4 --bleed subdural:40:6:right --drop 3,5-6 --reverse --rate 5 --port 104"),
        *shlex.split("--called PACS --duplicates 2 --abort-after 9 --interleave --folder"),
        str(tmp_path),
    )
    phantom, folder = plan.sources
    assert isinstance(phantom, PhantomSource)
    assert phantom.bleeds == (Bleed(BleedType.SUBDURAL, 40.0, 6.0, "right"),)
    assert folder == FolderSource(tmp_path)
    assert plan.gap == {3, 5, 6}
    assert (plan.order, plan.slices_per_s, plan.port, plan.called_ae_title) == (
        Order.REVERSE,
        5.0,
        104,
        "PACS",
    )
    assert (plan.duplicates, plan.abort_after, plan.interleave) == (2, 9, True)


def test_two_runs_are_two_studies_unless_a_uid_seed_says_otherwise() -> None:
    def seeds(*words: str) -> list[str | None]:
        return [s.uid_seed for s in parsed(*words).sources if isinstance(s, PhantomSource)]

    assert seeds() != seeds()
    assert seeds("--uid-seed", "a") == seeds("--uid-seed", "a")
    assert len(set(seeds("--uid-seed", "a", "--phantom", "1", "--phantom", "1"))) == 2


@pytest.mark.parametrize(
    "words", [["--bleed", "nosebleed:3"], ["--bleed", "subdural:x"], ["--called", "A" * 17], ["--drop", "a"]]
)
def test_a_wrong_option_is_refused_with_a_reason(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed(*words)
    assert f"argument {words[0]}" in capsys.readouterr().err

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.appliance import GE_HEAD, Appliance


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Callable[..., Appliance]]:
    """Starts an appliance with the settings it is given; stopped at the end of the test."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(Appliance(tmp_path, **settings))


@pytest.fixture
def ge_head() -> list[Path]:
    """28 slices of a real head without a bleed, feet to head."""
    files = sorted(GE_HEAD.glob("*.dcm"))
    if not files:
        pytest.skip("the real head series is not beside this checkout (../shared/data/ct-head-ge)")
    return files

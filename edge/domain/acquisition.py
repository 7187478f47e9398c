"""Images in Acquisition (0020,1002), a number some vendors give: a hint, never a proof."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from edge.domain.series import SliceHeader


def more_hinted(slices: Sequence[SliceHeader], others: int) -> bool:
    """Whether an acquisition promises more slices than came; `others` may belong to any of them.

    Slices of one acquisition that contradict each other promise nothing, and a number below what
    came is that of something else.
    """
    acquisitions: defaultdict[int | None, list[SliceHeader]] = defaultdict(list)
    for header in slices:
        acquisitions[header.acquisition_number].append(header)
    for members in acquisitions.values():
        promised = {m.images_in_acquisition for m in members}
        (number,) = promised if len(promised) == 1 else (None,)
        if number is not None and number > len(members) + others:
            return True
    return False

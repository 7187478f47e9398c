"""Connections that are of nobody yet, or no longer: how many there may be, and who goes for one more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

# One more than this, and one of them is told to go.
MOST = 64
# With those that were told to go and are not gone yet; beyond it a new one is closed as it comes.
MOST_WITH_LEAVING = 128


# The pause after each, so that a flood leaves everybody at least MOST times this to say who they are.
FOR_ITS_WORDS_S = 0.002


def next_to_go(strangers: Sequence[tuple[str, bool]]) -> int | None:
    """Whose turn it is, of those not told to go yet, as address and whether it has said anything.

    From the oldest on; of the busiest address the oldest that is silent, else the oldest: a flood from one
    address costs another one nothing, and idle connections never lock out a scanner. The younger half is
    not looked at, for who has just come may not have been listened to.
    """
    counts = Counter(address for address, _ in strangers)
    most = max(counts.values(), default=0)
    busiest = [place for place, (address, _) in enumerate(strangers) if counts[address] == most]
    silent = (place for place in busiest[: (len(busiest) + 1) // 2] if not strangers[place][1])
    return next(silent, busiest[0] if busiest else None)

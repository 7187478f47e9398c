"""PS3.8 table 9-10 as the standard prints it: events down, states across, an action in each cell."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """PS3.8 tables 9-1 to 9-5."""

    IDLE = 1
    AWAITING_ASSOCIATE_RQ = 2
    AWAITING_ASSOCIATE_RESPONSE = 3
    AWAITING_TRANSPORT = 4
    AWAITING_ASSOCIATE_AC = 5
    DATA_TRANSFER = 6
    AWAITING_RELEASE_RP = 7
    AWAITING_RELEASE_RESPONSE = 8
    COLLISION_REQUESTOR_AWAITING_RESPONSE = 9
    COLLISION_ACCEPTOR_AWAITING_RP = 10
    COLLISION_REQUESTOR_AWAITING_RP = 11
    COLLISION_ACCEPTOR_AWAITING_RESPONSE = 12
    AWAITING_CLOSE = 13


class Event(IntEnum):
    """PS3.8 table 9-10, first column."""

    ASSOCIATE_REQUEST = 1
    TRANSPORT_CONFIRMED = 2
    ASSOCIATE_AC_PDU = 3
    ASSOCIATE_RJ_PDU = 4
    TRANSPORT_INDICATED = 5
    ASSOCIATE_RQ_PDU = 6
    ASSOCIATE_ACCEPTED = 7
    ASSOCIATE_REJECTED = 8
    DATA_REQUEST = 9
    DATA_PDU = 10
    RELEASE_REQUEST = 11
    RELEASE_RQ_PDU = 12
    RELEASE_RP_PDU = 13
    RELEASE_RESPONSE = 14
    ABORT_REQUEST = 15
    ABORT_PDU = 16
    TRANSPORT_CLOSED = 17
    ARTIM_EXPIRED = 18
    INVALID_PDU = 19


_TABLE_9_10 = """
      1     2     3     4     5     6     7     8     9     10    11    12    13
 1    AE-1  -     -     -     -     -     -     -     -     -     -     -     -
 2    -     -     -     AE-2  -     -     -     -     -     -     -     -     -
 3    -     AA-1  AA-8  -     AE-3  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
 4    -     AA-1  AA-8  -     AE-4  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
 5    AE-5  -     -     -     -     -     -     -     -     -     -     -     -
 6    -     AE-6  AA-8  -     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
 7    -     -     AE-7  -     -     -     -     -     -     -     -     -     -
 8    -     -     AE-8  -     -     -     -     -     -     -     -     -     -
 9    -     -     -     -     -     DT-1  -     AR-7  -     -     -     -     -
10    -     AA-1  AA-8  -     AA-8  DT-2  AR-6  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
11    -     -     -     -     -     AR-1  -     -     -     -     -     -     -
12    -     AA-1  AA-8  -     AA-8  AR-2  AR-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
13    -     AA-1  AA-8  -     AA-8  AA-8  AR-3  AA-8  AA-8  AR-10 AR-3  AA-8  AA-6
14    -     -     -     -     -     -     -     AR-4  AR-9  -     -     AR-4  -
15    -     -     AA-1  AA-2  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  -
16    -     AA-2  AA-3  -     AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-2
17    -     AA-5  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AR-5
18    -     AA-2  -     -     -     -     -     -     -     -     -     -     AA-2
19    -     AA-1  AA-8  -     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
"""


def _cells(text: str) -> dict[tuple[Event, State], str]:
    header, *rows = (line.split() for line in text.strip().splitlines())
    return {
        (Event(int(event)), State(int(state))): action
        for event, *actions in rows
        for state, action in zip(header, actions, strict=True)
        if action != "-"
    }


TRANSITIONS = _cells(_TABLE_9_10)

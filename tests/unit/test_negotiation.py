"""Which presentation contexts are accepted, in which transfer syntax, and which items are answered."""

from __future__ import annotations

from edge.dicom.dimse.services import Context
from edge.dicom.negotiation import Negotiation
from edge.dicom.upper_layer.associate import AssociateRequest
from edge.dicom.upper_layer.user_information import RoleSelection, UserInformation

CT, MR, ECHO = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.1"
EXPLICIT, IMPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
NEGOTIATION = Negotiation({CT: (EXPLICIT, IMPLICIT), ECHO: (IMPLICIT,)}, 131072)


def test_our_order_decides_and_each_refusal_has_its_reason() -> None:
    proposed = ((1, CT, (IMPLICIT, EXPLICIT)), (3, CT, (RLE,)), (5, MR, (EXPLICIT,)), (7, ECHO, (IMPLICIT,)))
    accept, contexts = NEGOTIATION.answer(AssociateRequest("EDGE", "CT_1", proposed))
    assert accept.contexts == ((1, 0, EXPLICIT), (3, 4, RLE), (5, 3, EXPLICIT), (7, 0, IMPLICIT))
    assert contexts == {1: Context(CT, EXPLICIT), 7: Context(ECHO, IMPLICIT)}
    assert accept.user.max_pdu_bytes == 131072


def test_operations_stay_one_at_a_time_and_nobody_else_is_scp() -> None:
    user = UserInformation(
        asynchronous_window=(0, 0),
        roles=(RoleSelection(CT, scu=True, scp=True), RoleSelection(MR, scu=False, scp=True)),
        extended_negotiation=((CT, b"\2\0\0\0\0\0"),),
    )
    accept, _ = NEGOTIATION.answer(AssociateRequest("EDGE", "CT_1", ((1, CT, (IMPLICIT,)),), user))
    assert accept.user.asynchronous_window is None
    assert accept.user.roles == (RoleSelection(CT, scu=True, scp=False),)
    assert accept.user.extended_negotiation == ()

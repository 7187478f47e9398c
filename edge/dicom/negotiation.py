"""What becomes of an A-ASSOCIATE-RQ: presentation contexts, roles, and what is left out on purpose.

Left out are the asynchronous operations window, which then is (1, 1) (PS3.7 D.3.3.3), SOP class extended
negotiation, whose defaults then apply (D.3.3.5), and an answer to a user identity, which a requestor that
insists on one reads as "not supported" (D.3.3.7).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from edge.dicom.dimse.services import Context
from edge.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from edge.dicom.upper_layer.associate import (
    AnsweredContext,
    AssociateAccept,
    AssociateRequest,
)
from edge.dicom.upper_layer.user_information import RoleSelection, UserInformation

_ACCEPTANCE, _ABSTRACT_NOT_SUPPORTED, _TRANSFER_NOT_SUPPORTED = 0, 3, 4


class Negotiation:
    """Answers by `offered`: transfer syntaxes by abstract syntax, in our order of preference."""

    def __init__(self, offered: Mapping[str, tuple[str, ...]], max_pdu_bytes: int) -> None:
        self._max_pdu_bytes = max_pdu_bytes
        self._ranks = {
            abstract: {syntax: rank for rank, syntax in enumerate(syntaxes)}
            for abstract, syntaxes in offered.items()
        }

    def answer(self, request: AssociateRequest) -> tuple[AssociateAccept, dict[int, Context]]:
        """The A-ASSOCIATE-AC, and the contexts that may be used by ID, none when nothing fits."""
        answered, accepted = list[AnsweredContext](), dict[int, Context]()
        for context_id, abstract, proposed in request.contexts:
            ranks = self._ranks.get(abstract)
            if ranks is None:
                answered.append((context_id, _ABSTRACT_NOT_SUPPORTED, proposed[0]))
                continue
            best = min(proposed, key=partial(_rank, ranks))
            if best not in ranks:
                answered.append((context_id, _TRANSFER_NOT_SUPPORTED, best))
                continue
            answered.append((context_id, _ACCEPTANCE, best))
            accepted[context_id] = Context(abstract, best)
        user = UserInformation(
            max_pdu_bytes=self._max_pdu_bytes,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            roles=_roles(request, accepted),
        )
        accept = AssociateAccept(
            called=request.called, calling=request.calling, contexts=tuple(answered), user=user
        )
        return accept, accepted


def _rank(ranks: Mapping[str, int], syntax: str) -> int:
    return ranks.get(syntax, len(ranks))


def _roles(request: AssociateRequest, accepted: Mapping[int, Context]) -> tuple[RoleSelection, ...]:
    """The peer may be SCU where it proposed so, and never SCP: this side uses no service (PS3.7 D.3.3.4)."""
    usable = {context.abstract_syntax for context in accepted.values()}
    return tuple(
        RoleSelection(role.sop_class_uid, scu=role.scu, scp=False)
        for role in request.user.roles
        if role.sop_class_uid in usable
    )

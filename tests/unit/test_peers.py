"""Which rows of the peers table let whom in; every other answer is a mismatch with a name."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dicom.admission import Admission, Refusal, RejectReason
from edge.dicom.peers import Mismatch, Peer, PeerRow, mismatch
from edge.domain.identity import AETitle, CertificateName
from edge.peer_settings import PeerSettings
from edge.settings import DicomSettings

A, B = (CertificateName(f"sha256:{digit * 64}") for digit in "ab")
CT, MR = AETitle("CT_ER_1"), AETitle("MR_1")
ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)


def row(title: AETitle = CT, **given: object) -> PeerRow:
    return PeerRow.from_settings(PeerSettings.model_validate({"ae_title": title, **given}))


FULL = [("192.0.2.8", "OTHER")] * 99
TABLE = (
    row(CT, addresses=["192.0.2.0/24"], certificates=[A]),
    row(MR, certificates=[B], plain=True),
    row(AETitle("OLD_CR"), addresses=["198.51.100.7"], plain=True),
)


@pytest.mark.parametrize(
    ("title", "address", "shown", "found"),
    [
        (CT, "192.0.2.9", A, None),
        (CT, "::ffff:192.0.2.9", A, None),
        (CT, "192.0.3.9", A, Mismatch.OTHER_ADDRESS),
        (CT, "no address", A, Mismatch.OTHER_ADDRESS),
        (CT, "192.0.2.9", B, Mismatch.OTHER_CERTIFICATE),
        (CT, "192.0.2.9", None, Mismatch.PLAIN_NOT_ALLOWED),
        (MR, "203.0.113.5", B, None),
        (MR, "203.0.113.5", A, Mismatch.OTHER_CERTIFICATE),
        (MR, "203.0.113.5", None, None),
        (AETitle("OLD_CR"), "198.51.100.7", None, None),
        (AETitle("OLD_CR"), "198.51.100.7", A, Mismatch.OTHER_CERTIFICATE),
        (AETitle("ct_er_1"), "192.0.2.9", A, Mismatch.UNLISTED_TITLE),
    ],
)
def test_a_title_is_believed_only_with_its_own_address_and_certificate(
    title: AETitle, address: str, shown: CertificateName | None, found: Mismatch | None
) -> None:
    names = frozenset([shown, CertificateName("dns:any.example")]) if shown is not None else None
    assert mismatch(TABLE, title, Peer(address, names)) is found


def test_any_row_of_a_title_may_fit_and_the_closest_miss_is_told() -> None:
    rows = (row(CT, addresses=["192.0.2.1"], certificates=[A]), row(CT, addresses=["192.0.2.2"], plain=True))
    assert mismatch(rows, CT, Peer("192.0.2.2")) is None
    assert mismatch(rows, CT, Peer("192.0.2.1", frozenset([A]))) is None
    assert mismatch(rows, CT, Peer("192.0.2.1", frozenset([B]))) is Mismatch.OTHER_CERTIFICATE
    assert mismatch(rows, CT, Peer("192.0.2.3")) is Mismatch.OTHER_ADDRESS


@given(ADDRESSES, st.integers(0, 128), ADDRESSES)
def test_a_network_is_its_addresses_and_no_other(
    inside: ipaddress.IPv4Address | ipaddress.IPv6Address,
    prefix: int,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    network = ipaddress.ip_network((inside, min(prefix, inside.max_prefixlen)), strict=False)
    one = row(addresses=[str(network)])
    assert one.mismatch(Peer(str(network[0]))) is None or _mapped(network)
    assert one.mismatch(Peer(str(network[-1]))) is None or _mapped(network)
    if other not in network and not (other.version == 6 and other.ipv4_mapped is not None):
        assert one.mismatch(Peer(str(other))) is Mismatch.OTHER_ADDRESS


def _mapped(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Rows for ::ffff:0:0/96 match nothing: such peers are known by their IPv4 address."""
    return network.version == 6 and any(a.ipv4_mapped is not None for a in (network[0], network[-1]))


@given(
    st.lists(st.sampled_from([A, B]), max_size=2),
    st.lists(st.sampled_from([A, B, CertificateName("dns:x.example")]), max_size=3),
)
def test_over_tls_a_row_needs_a_certificate_it_lists(
    listed: list[CertificateName], shown: list[CertificateName]
) -> None:
    found = row(certificates=listed, plain=True).mismatch(Peer("192.0.2.1", frozenset(shown)))
    assert (found is None) == bool(set(listed) & set(shown))


@given(st.text(max_size=20), ADDRESSES, st.sampled_from([None, frozenset[CertificateName](), frozenset([A])]))
def test_on_the_wire_every_mismatch_is_the_same_reject_reason(
    calling: str, address: object, names: frozenset[CertificateName] | None
) -> None:
    admission = Admission("EDGE", frozenset(), 2, 2, 2, TABLE[:1])
    refusal = admission.admit(calling=calling, called="EDGE", peer=Peer(str(address), names), others=())
    if refusal is not None:
        assert refusal.reason is RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED


def test_the_table_comes_from_settings_and_admits_before_the_limit() -> None:
    settings = DicomSettings.model_validate({"peers": [{"ae_title": " CT_ER_1 ", "certificates": [A]}]})
    admission = Admission.from_settings(settings)
    mine, stolen = (Peer("192.0.2.9", frozenset([name])) for name in (A, B))
    ask = {"calling": "CT_ER_1 ", "called": "EDGE"}
    assert admission.admit(**ask, peer=mine, others=()) is None
    assert admission.admit(**ask, peer=stolen, others=FULL) == Refusal(
        RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED, Mismatch.OTHER_CERTIFICATE
    )
    assert admission.admit(**ask, peer=mine, others=FULL) == Refusal(RejectReason.LOCAL_LIMIT_EXCEEDED)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("sha256:" + ":".join(["AB"] * 32), "sha256:" + "ab" * 32),
        (" dns:CT1.ER.example ", "dns:ct1.er.example"),
        ("subject:CN=CT 1,O=ER: West", "subject:CN=CT 1,O=ER: West"),
    ],
)
def test_certificate_names_are_written_as_other_tools_print_them(written: str, means: str) -> None:
    assert CertificateName(written) == means


@pytest.mark.parametrize("odd", ["", "CN=CT", "sha256:abcd", "sha1:" + "a" * 40, "dns:", "subject:"])
def test_what_names_no_certificate_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match=r"certificate|fingerprint|followed"):
        CertificateName(odd)

"""A head with a bleed over TLS, from a foreign scanner to a page; and nobody else gets in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.dicom.phantom_series import phantom_instances
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from tests.contract.certificates import OTHER, OWN, SCANNER, Lab
from tests.contract.receiving import dcmtk
from tests.e2e.appliance import Appliance

pytestmark = [pytest.mark.peer("mosquitto", "storescu", "openssl"), pytest.mark.timeout(240)]
HEAD = head_phantom(
    7,
    bleeds=[Bleed(BleedType.INTRAPARENCHYMAL, volume_ml=30.0)],
    acquisition=Acquisition(rows=256, columns=256, pixel_spacing_mm=0.9),
)


def test_a_bleed_sent_over_tls_is_paged_and_a_borrowed_title_is_not_heard(
    appliance: Callable[..., Appliance], free_port: Callable[[], int], tmp_path: Path
) -> None:
    lab, port = Lab.make(tmp_path / "tls"), free_port()
    own = lab.pair(OWN)
    scanner = appliance(
        EDGE_DICOM__PEERS=json.dumps(lab.peers()),
        EDGE_DICOM_TLS__PORT=str(port),
        EDGE_DICOM_TLS__CERTIFICATE_FILE=str(own.certificate_file),
        EDGE_DICOM_TLS__KEY_FILE=str(own.key_file),
        EDGE_DICOM_TLS__CA_FILE=str(lab.ca),
    )
    files: list[Path] = []
    for i, instance in enumerate(phantom_instances(HEAD, now=datetime(2024, 5, 1, 3, 0, tzinfo=UTC))):
        files.append(tmp_path / f"{i:03d}.dcm")
        instance.save_as(files[-1], enforce_file_format=True)

    def send(certificate: str) -> int:
        titles = ("-aet", "CT_1", "-aec", scanner.settings.dicom.ae_title)
        return dcmtk("storescu", *lab.dcmtk(certificate), *titles, "127.0.0.1", port, *files).returncode

    assert send(OTHER) != 0
    assert scanner.storescu(*files).returncode != 0
    assert send(SCANNER) == 0
    (result,) = scanner.pager.until_results(1)
    assert result.outcome == "finding"
    assert result.instances == len(files)
    assert scanner.pager.statuses().count("confirmed") == 1
    log = scanner.log("receiver")
    assert "other_certificate" in log
    assert "plain_not_allowed" in log or "unlisted_title" in log

"""`edge tls`: private keys stay private, nothing is overwritten, and what is printed can be pasted."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edge.cli import main
from edge.tls.certificate import certificates_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tls"


def test_keys_are_private_and_certificates_are_for_their_purpose(folder: Path) -> None:
    asked = ["--peer", "CT_ER_1@127.0.0.1", "--peer", "CT 2@10.0.0.0/8", "--broker", "broker.example"]
    assert main(["tls", "init", "--out", str(folder), "--days", "30", *asked]) == 0
    made = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    pairs = ("ca", "edge", "broker", "peer-CT_ER_1", "peer-CT_2")
    assert {name for name in made if name.endswith(".key")} == {f"{name}.key" for name in pairs}
    assert all(mode == 0o600 for name, mode in made.items() if name.endswith(".key"))
    assert folder.stat().st_mode & 0o777 == 0o700
    (own,) = certificates_in(folder / "edge.pem")
    assert {"subject:CN=edge", "dns:localhost"} <= own.names
    (broker,) = certificates_in(folder / "broker.pem")
    assert "dns:broker.example" in broker.names


def test_what_is_printed_is_toml(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--out", str(folder), "--peer", 'CT "2"@192.0.2.7', "--broker", "127.0.0.1"]
    assert main(["tls", "init", *asked]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert {"certificate_file", "key_file", "ca_file", "port"} == printed["dicom_tls"].keys()
    assert all(Path(printed["mqtt"][key]).is_file() for key in ("certificate_file", "key_file", "ca_file"))
    (peer,) = printed["dicom"]["peers"]
    assert peer["ae_title"] == 'CT "2"'
    assert peer["addresses"] == ["192.0.2.7/32"]
    (certificate,) = certificates_in(folder / "peer-CT__2_.pem")
    assert peer["certificates"] == [certificate.fingerprint]


def test_nothing_is_overwritten_and_more_peers_come_from_the_same_authority(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tls", "init", "--out", str(folder), "--peer", "CT_1"]) == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["tls", "init", "--out", str(folder)]) == 78
    assert main(["tls", "peer", "--out", str(folder), "--peer", "CT_2", "--peer", "CT_1"]) == 78
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert main(["tls", "peer", "--out", str(folder), "--peer", "CT_2"]) == 0
    (first,), (second,) = (certificates_in(folder / f"peer-CT_{i}.pem") for i in (1, 2))
    assert first.issuer == second.issuer == certificates_in(folder / "ca.pem")[0].subject
    assert first.fingerprint != second.fingerprint
    assert "would overwrite" in capsys.readouterr().err


def test_titles_that_would_share_a_file_are_refused(folder: Path) -> None:
    assert main(["tls", "init", "--out", str(folder), "--peer", "CT 1", "--peer", "CT_1"]) == 78
    assert not folder.exists()


def test_peers_without_an_authority_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tls", "peer", "--out", str(folder), "--peer", "CT_1"]) == 78
    assert "edge tls init makes one" in capsys.readouterr().err


@pytest.mark.parametrize(
    "odd", ["", "@127.0.0.1", "CT@", "CT@scanner", "CT@10.0.0.1/8", "SEVENTEEN_LETTERS", "A\\B"]
)
def test_an_odd_peer_is_wrong_usage(odd: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tls", "init", "--peer", odd])
    assert ended.value.code == 2


def test_show_says_what_can_be_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["tls", "init", "--out", str(folder), "--days", "10"])
    capsys.readouterr()
    assert main(["tls", "show", str(folder / "edge.pem")]) == 0
    told = capsys.readouterr().out
    (own,) = certificates_in(folder / "edge.pem")
    assert all(name in told for name in own.names)
    assert "10 days left" in told
    assert main(["tls", "show", str(folder / "edge.key")]) == 78

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from edge.errors import FixConfiguration
from edge.mqtt.connection import client_for
from edge.mqtt.credentials import password, tls_context
from edge.mqtt.embedded import embedded_broker
from edge.settings import MqttSettings


def secret(folder: Path, mode: int) -> MqttSettings:
    path = folder / "password"
    path.write_text("s3cret\n")
    path.chmod(mode)
    return MqttSettings(password_file=path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_password_file_is_read_without_its_line_end(tmp_path: Path, mode: int) -> None:
    assert password(secret(tmp_path, mode)) == "s3cret"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_password_file_others_can_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    with pytest.raises(FixConfiguration, match=r"mqtt\.password_file .* mode 06[04][04]") as refused:
        password(secret(tmp_path, mode))
    assert refused.value.advice == f"chmod 600 {tmp_path / 'password'}"
    assert "s3cret" not in str(refused.value)


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match=r"mqtt\.password_file"):
        password(MqttSettings(password_file=tmp_path / "nothing"))


def test_tls_is_never_older_than_1_2_and_checks_the_name() -> None:
    context = tls_context(MqttSettings(tls=True))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    offered = {suite["name"] for suite in context.get_ciphers() if suite["protocol"] == "TLSv1.2"}
    assert offered
    assert all(name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name) for name in offered)
    assert tls_context(MqttSettings()) is None


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"tls": True, "ca_file": "nothing"}, "mqtt.ca_file"),
        ({"tls": True, "certificate_file": "nothing"}, "mqtt.certificate_file"),
        ({"tls": True, "key_file": "key"}, "mqtt.key_file"),
        ({"tls": False, "ca_file": "ca"}, "mqtt.ca_file"),
    ],
)
def test_files_that_cannot_work_are_named_by_their_setting(settings: dict[str, object], key: str) -> None:
    with pytest.raises(FixConfiguration, match=key):
        tls_context(MqttSettings.model_validate(settings))


def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    files = {"certificate_file": tmp_path / "c.pem", "key_file": tmp_path / "c.key"}
    for path in files.values():
        path.write_text("")
        path.chmod(0o640)
    with pytest.raises(FixConfiguration, match=r"mqtt\.key_file .* mode 0640") as refused:
        tls_context(MqttSettings.model_validate({"tls": True, **files}))
    assert refused.value.advice == f"chmod 600 {files['key_file']}"


def test_a_host_no_resolver_could_ask_for_is_refused_at_once() -> None:
    with pytest.raises(FixConfiguration, match=r"mqtt\.host"):
        client_for(MqttSettings(host="x" * 64 + ".example"), "edge-1")


@pytest.mark.parametrize("host", ["0.0.0.0", "broker.example", "::1", "192.0.2.1"])
def test_the_embedded_broker_has_no_passwords_and_stays_on_loopback(host: str, tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="loopback"):
        embedded_broker(MqttSettings(host=host), tmp_path)


def test_the_embedded_broker_says_what_it_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="neither TLS nor users"):
        embedded_broker(MqttSettings(tls=True), tmp_path)


def test_the_embedded_broker_is_launched_from_its_own_file(tmp_path: Path) -> None:
    launch = embedded_broker(MqttSettings(host="localhost", port=18830), tmp_path)
    configuration = tmp_path / "broker" / "rumqttd.toml"
    assert str(configuration) in launch.argv
    assert 'listen = "127.0.0.1:18830"' in configuration.read_text()
    assert not launch.ready()

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import FixConfiguration
from edge.settings import Settings
from edge.settings_checks import contradictions
from edge.settings_page import masked, reference
from edge.settings_source import keys, load_settings, variable
from tests.architecture.source import ROOT

SECRET = "correct horse battery"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "edge.toml"


def refusal(config: Path, toml: str, **environment: str) -> str:
    config.write_text(toml)
    with pytest.raises(FixConfiguration) as refused:
        load_settings(config, environment)
    assert refused.value.advice
    return str(refused.value)


def test_without_any_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edge.settings_source.USUAL_FILES", (Path("edge.toml"),))
    assert load_settings(None, {}) == Settings()


def test_the_file_is_the_named_one_then_the_variables_then_the_usual_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edge.settings_source.USUAL_FILES", (Path("edge.toml"), tmp_path / "etc.toml"))
    found: list[str] = []
    (tmp_path / "etc.toml").write_text('appliance.name = "etc"')
    found.append(load_settings(None, {}).appliance.name)
    (tmp_path / "edge.toml").write_text('appliance.name = "here"')
    found.append(load_settings(None, {}).appliance.name)
    (tmp_path / "v.toml").write_text('appliance.name = "variable"')
    found.append(load_settings(None, {"EDGE_CONFIG": "v.toml"}).appliance.name)
    (tmp_path / "n.toml").write_text('appliance.name = "named"')
    found.append(load_settings(Path("n.toml"), {"EDGE_CONFIG": "v.toml"}).appliance.name)
    assert found == ["etc", "here", "variable", "named"]


def test_budgets_and_test_scanners_are_checked_with_their_path(config: Path) -> None:
    assert "alerting.budget: " in refusal(config, "alerting.budget = -1")
    assert "alerting.budgets.subdural: " in refusal(config, "[alerting.budgets]\nsubdural = 2000")
    assert "alerting.budgets" in refusal(config, '[alerting.budgets]\n"Sub dural" = 2')
    assert "alerting.longest_quiet_s: " in refusal(config, "alerting.longest_quiet_s = 5")
    assert "appliance.test_scanners.0: " in refusal(
        config, 'appliance.test_scanners = ["A TITLE THAT IS TOO LONG"]'
    )


def test_variables_win_key_by_key(config: Path) -> None:
    config.write_text('[mqtt]\nhost = "file"\nport = 1884\n[dicom]\nae_title = "FILE"\n')
    environment = {
        "EDGE_MQTT__HOST": "variable",
        "EDGE_DICOM__CALLING_AE_TITLES": '["CT1", " CT2 "]',
        "EDGE_APPLIANCE__SCANNERS": '{"CT1": "er"}',
        "EDGE_TRITON__FALLBACK": "false",
        "EDGE_TELEMETRY__LOG_LEVEL": "",
        "EDGE_REQUIRE_PEERS": "1",
        "PATH": "/bin",
    }
    settings = load_settings(config, environment)
    assert (settings.mqtt.host, settings.mqtt.port) == ("variable", 1884)
    assert settings.dicom.ae_title == "FILE"
    assert settings.dicom.calling_ae_titles == ("CT1", "CT2")
    assert settings.appliance.scanners == {"CT1": "er"}
    assert settings.triton.fallback is False
    assert settings.telemetry.log_level == "info"


def test_the_process_environment_is_not_looked_at(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("")
    monkeypatch.setenv("EDGE_MQTT__HOST", "elsewhere")
    assert load_settings(config, {}).mqtt.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[mqtt]\nhostt = 'x'", "mqtt.hostt: unknown key; did you mean mqtt.host?"),
        ("[mqqt]\nhost = 'x'", "mqqt: unknown key; did you mean mqtt?"),
        ("[dicom]\nport = 'many'", "dicom.port: Input should be a valid integer"),
        ("[dicom]\nport = 70000", "dicom.port: Input should be less than or equal to 65535, not 70000"),
        ("mqtt = 5", "mqtt: Input should be a valid dictionary"),
        ("[dicom]\nae_title = 'A\\B'", "dicom.ae_title: an AE title holds printable ASCII without backslash"),
        ("[triton]\nmode = 'cloud'", "triton.mode: Input should be 'embedded' or 'external', not 'cloud'"),
        ("[mqtt", "is not TOML"),
    ],
)
def test_an_odd_file_is_refused_with_its_name_and_the_path_of_the_key(
    config: Path, toml: str, told: str
) -> None:
    refused = refusal(config, toml)
    assert told in refused
    assert str(config) in refused


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("EDGE_MQTT__HOSTT", "x", "EDGE_MQTT__HOSTT: unknown setting; did you mean EDGE_MQTT__HOST?"),
        ("EDGE_MQTT_HOST", "x", "EDGE_MQTT_HOST: unknown setting; did you mean EDGE_MQTT__HOST?"),
        ("EDGE_FOO__BAR", "x", "EDGE_FOO__BAR: unknown setting"),
        ("EDGE_MQTT", "{}", "EDGE_MQTT: unknown setting"),
        (
            "EDGE_DICOM__PORT",
            "x",
            "environment variable EDGE_DICOM__PORT: dicom.port: Input should be a valid",
        ),
        ("EDGE_DICOM__CALLING_AE_TITLES", "A,B", "EDGE_DICOM__CALLING_AE_TITLES is not JSON"),
    ],
)
def test_an_odd_variable_is_refused_by_its_name(config: Path, name: str, value: str, told: str) -> None:
    assert told in refusal(config, "", **{name: value})


def test_every_fault_is_told_at_once(config: Path) -> None:
    told = refusal(config, "[mqtt]\nport = 'x'\nhostt = 'x'", EDGE_DICOM__PORT="0").splitlines()
    assert len(told) == 3


def test_a_file_that_was_named_must_be_there(config: Path) -> None:
    with pytest.raises(FixConfiguration, match="cannot read"):
        load_settings(config, {})


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("mqtt.port = 11112", "dicom.port: port 11112 is also mqtt.port"),
        ("triton.http_port = 8001", "triton.grpc_url: port 8001 is also triton.http_port"),
        ("telemetry.agent_port = 9108", "telemetry.receiver_port: port 9108 is also telemetry.agent_port"),
        ("triton.grpc_url = 'gpu'", "triton.grpc_url: host:port is meant, not 'gpu'"),
        ("triton.grpc_url = ':8001'", "triton.grpc_url: host:port is meant"),
        ("triton.grpc_url = '8001'", "triton.grpc_url: host:port is meant"),
        ("triton.grpc_url = 'gpu:65536'", "triton.grpc_url: host:port is meant"),
        ("completeness.quiet_s = 200", "completeness.quiet_s: must be shorter"),
        (
            "mqtt = {mode = 'external', tls = true, key_file = 'k'}",
            "mqtt.certificate_file: needed beside mqtt.key_file",
        ),
        (
            "mqtt = {mode = 'external', tls = true, ca_file = 'no-such'}",
            "mqtt.ca_file: there is no file no-such",
        ),
        ("mqtt.ca_file = 'no-such'", "mqtt.ca_file: has no effect without mqtt.tls"),
        ("mqtt.tls = true", "mqtt.tls: the embedded broker speaks plain MQTT"),
        ("mqtt.password = 'p'", "mqtt.username: needed beside a password"),
        (
            "mqtt = {username = 'u', password_file = 'no-such'}",
            "mqtt.password_file: there is no file no-such",
        ),
        ("mqtt = {username = 'u', password = 'p', password_file = 'f'}", "exclude each other"),
    ],
)
def test_values_that_are_wrong_together_are_refused(config: Path, toml: str, told: str) -> None:
    assert told in refusal(config, toml)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("dicom_tls.key_file = 'no-such'", "dicom_tls.certificate_file: needed beside the other files"),
        ("dicom_tls.ca_file = 'no-such'", "dicom_tls.ca_file: there is no file no-such"),
        ("dicom_tls.certificate_file = 'c'", "dicom.peers: needed with dicom_tls"),
        (
            "dicom_tls = {port = 11112, certificate_file = 'c'}",
            "dicom.port: port 11112 is also dicom_tls.port",
        ),
        ("[[dicom.peers]]\nae_title = 'A\\B'", "dicom.peers.0.ae_title: an AE title holds printable ASCII"),
        ("[[dicom.peers]]\nae_title = 'A'\naddresses = ['10.0.0.1/8']", "dicom.peers.0.addresses.0: "),
        (
            "[[dicom.peers]]\nae_title = 'A'\ncertificates = ['CN=A']",
            "dicom.peers.0.certificates.0: a cert",
        ),
        (
            "[[dicom.peers]]\nae_title = 'A'\nadresses = []",
            "dicom.peers.0.adresses: unknown key; did you mean dicom.peers.0.addresses?",
        ),
        (
            "dicom_tls.certificate_file = 'c'\n[[dicom.peers]]\nae_title = 'A'",
            "dicom.peers.0: A needs certificates, or plain = true",
        ),
        (
            "[dicom]\ncalling_ae_titles = ['B']\n[[dicom.peers]]\nae_title = 'A'",
            "dicom.calling_ae_titles: has no effect beside dicom.peers",
        ),
    ],
)
def test_peers_and_tls_that_cannot_work_are_refused(config: Path, toml: str, told: str) -> None:
    assert told in refusal(config, toml)


@pytest.mark.parametrize("key", ["dicom_tls.key_file", "mqtt.key_file"])
def test_a_private_key_must_be_private(config: Path, key: str) -> None:
    path = config.with_name("key")
    path.write_text("")
    path.chmod(0o640)
    assert f"{key}: others may read {path}; chmod 600" in refusal(config, f"{key} = '{path}'")


def test_peers_are_shown_as_toml_that_loads_again(config: Path) -> None:
    config.write_text(
        "[[dicom.peers]]\nae_title = 'A'\naddresses = ['10.0.0.0/8']\n"
        "certificates = ['dns:CT.example']\n[[dicom.peers]]\nae_title = 'B'\n"
    )
    settings = load_settings(config, {})
    assert settings.dicom.peers[0].certificates == ("dns:ct.example",)
    config.write_text(masked(settings))
    assert load_settings(config, {}) == settings


def test_ports_of_servers_that_run_elsewhere_may_coincide(config: Path) -> None:
    config.write_text(
        "[mqtt]\nmode = 'external'\nhost = 'broker'\nport = 11112\n"
        "[triton]\nmode = 'external'\ngrpc_url = 'gpu:11112'\nhttp_port = 11112\n"
    )
    assert load_settings(config, {}).mqtt.port == 11112


def test_a_password_file_must_be_private(config: Path) -> None:
    secret = config.with_name("password")
    secret.write_text(SECRET)
    toml = f"mqtt = {{username = 'u', password_file = '{secret}'}}"
    secret.chmod(0o640)
    assert "others may read" in refusal(config, toml)
    secret.chmod(0o600)
    assert load_settings(config, {}).mqtt.password_file == secret


def test_a_tilde_is_the_home_folder(config: Path) -> None:
    config.write_text("appliance.state_dir = '~/edge'")
    assert load_settings(config, {}).appliance.state_dir == Path.home() / "edge"


def test_no_refusal_repeats_a_password(config: Path) -> None:
    for toml in (
        f"mqtt.password = ['{SECRET}']",
        f"mqtt.passwrd = '{SECRET}'",
        f"mqtt.password_file = ['{SECRET}']",
    ):
        assert SECRET not in refusal(config, toml)


def test_masked_settings_load_again_but_for_the_secret(config: Path) -> None:
    config.write_text(
        f"mqtt = {{username = 'u', password = '{SECRET}'}}\nappliance.scanners = {{'CT \"1\"' = 'é'}}"
    )
    settings = load_settings(config, {})
    shown = masked(settings)
    assert SECRET not in shown
    config.write_text(shown)
    again = load_settings(config, {})
    assert again.model_dump(exclude={"mqtt": {"password"}}) == settings.model_dump(
        exclude={"mqtt": {"password"}}
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_being_shown_as_toml(text: str) -> None:
    settings = Settings.model_validate({"mqtt": {"username": text}})
    assert tomllib.loads(masked(settings))["mqtt"]["username"] == text


def test_the_reference_names_every_key_and_is_current() -> None:
    page = reference()
    for section, key in keys():
        assert f"| `{section}.{key}` |" in page
        assert f"`{variable(section, key)}`" in page
    assert (ROOT / "edge/SETTINGS.md").read_text() == page


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[hook]\ncommand = ["page.sh"]', "hook.command: the program needs its absolute path"),
        ('[hook]\ncommand = ["/nowhere/page"]', "hook.command: /nowhere/page is not there"),
        ('[mail]\nhost = "m"', "mail.sender: needed beside mail.host"),
        ('[mail]\nhost = "m"\nsender = "a@b"', "mail.recipients: needed beside mail.host"),
        ('[mail]\nhost = "m"\nusername = "u"', "mail.password_file: needed beside the other"),
        ('[mail]\nhost = "m"\nusername = "u"\nsecurity = "none"', "a password is not sent in the clear"),
        ('[mail]\nrecipients = ["nobody"]', "mail.recipients"),
        ('[audit]\nhost = "r"\ncertificate_file = "c"', "audit.key_file: needed beside the other"),
        ('[audit]\nca_file = "/etc/hostname"', "audit.ca_file: has no effect without audit.host"),
        ("[audit]\nspool_messages = 1", "audit.spool_messages"),
    ],
)
def test_second_channels_and_the_audit_trail_are_refused_by_the_path_of_the_key(
    text: str, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "edge.toml").write_text(text)
    with pytest.raises(FixConfiguration, match=re.escape(fault)):
        load_settings(tmp_path / "edge.toml", {})


@pytest.mark.parametrize(
    ("section", "key", "beside"),
    [
        ("mail", "password_file", {"host": "m", "sender": "a@b", "recipients": ["c@d"], "username": "u"}),
        ("audit", "key_file", {"host": "r"}),
        ("mqtt", "password_file", {"username": "u"}),
    ],
)
def test_every_secret_that_others_can_read_is_refused(
    section: str, key: str, beside: dict[str, object], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    given = {**beside, key: secret, **({"certificate_file": secret} if section == "audit" else {})}
    settings = Settings.model_validate({section: given})
    assert f"{section}.{key}: others may read {secret}; chmod 600" in contradictions(settings)

"""How the broker knows us and we know the broker."""

from __future__ import annotations

import ssl

from edge.errors import FixConfiguration
from edge.private_file import read_secret, refuse_public
from edge.settings import MqttSettings
from edge.tls.profile import client_context, show_certificate


def tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    """The profile of edge.tls with the broker's name checked; None when mqtt.tls is off.

    Raises FixConfiguration naming the setting whose file is missing, unfit or not private.
    """
    if not settings.tls:
        for key in ("ca_file", "certificate_file", "key_file"):
            if getattr(settings, key) is not None:
                raise FixConfiguration(f"mqtt.{key} is set but mqtt.tls is off", hint="Set mqtt.tls = true.")
        return None
    try:
        context = client_context(settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise FixConfiguration(f"mqtt.ca_file {settings.ca_file}: {error}") from error
    if settings.certificate_file is not None:
        try:
            if settings.key_file is not None:
                refuse_public("mqtt.key_file", settings.key_file)
            show_certificate(context, settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise FixConfiguration(f"mqtt.certificate_file or mqtt.key_file: {error}") from error
    elif settings.key_file is not None:
        raise FixConfiguration("mqtt.key_file needs mqtt.certificate_file")
    return context


def password(settings: MqttSettings) -> str | None:
    """From mqtt.password or mqtt.password_file; raises FixConfiguration when the file is not private."""
    if settings.password_file is None:
        return settings.password.get_secret_value() if settings.password is not None else None
    return read_secret("mqtt.password_file", settings.password_file)

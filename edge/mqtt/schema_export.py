"""Writes what consumers build against: JSON Schema per message and one AsyncAPI 3.0 document.

`python -m edge.mqtt.schema_export` after every change of a message; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edge.domain.finding import Urgency
from edge.mqtt.answer import CONTENT_TYPE, AckMessage
from edge.mqtt.message import (
    NOTICE,
    SCHEMA_VERSION,
    AlertMessage,
    CanaryMessage,
    HeartbeatMessage,
    ResultMessage,
    StatusMessage,
)
from edge.mqtt.notice_message import NoticeMessage
from edge.settings import MqttSettings

ROOM = Path(__file__).parent
MAJOR = SCHEMA_VERSION.split(".")[0]
MESSAGES: Mapping[str, type[BaseModel]] = {
    "alert": AlertMessage,
    "result": ResultMessage,
    "status": StatusMessage,
    "heartbeat": HeartbeatMessage,
    "notice": NoticeMessage,
    "canary": CanaryMessage,
}
_LIFE = (
    "A pager shows and sounds that no page can come, and shows when that is over: while its own connection "
    "to the broker is lost, while the status is `offline` (from the broker, as Will, for an appliance that "
    "vanished), and once no heartbeat has come for three periods (`mqtt.heartbeat_s`, default {beat} s). A "
    "pager that is silent about these looks like a night without findings. It subscribes to status and "
    "heartbeat with QoS 0: kept for a pager that is away, heartbeats would push pages out of its queue."
)
ANSWERS: Mapping[str, type[BaseModel]] = {"ack": AckMessage}
_ACK = (
    "What pagers answer, QoS 1, not retained: publish to the response topic of the page with the page's "
    "correlation data. `delivered` as soon as the page is shown, or the appliance offers it again and "
    "rings the next role; `acknowledged` and `closed` when a human says so. Repetitions are harmless."
)
Document = dict[str, Any]


def documents() -> dict[str, Document]:
    """Every generated document by its path below this room."""
    every = {**MESSAGES, **ANSWERS}
    schemas = {f"schema/{name}.v{MAJOR}.json": _schema(model) for name, model in every.items()}
    return {**schemas, "asyncapi.json": _asyncapi()}


def text_of(document: Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _schema(model: type[BaseModel]) -> Document:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(mode="serialization"),
    }


def _asyncapi() -> Document:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Alerts of an imaging inference appliance",
            "version": SCHEMA_VERSION,
            "description": (
                f"{NOTICE.capitalize()}. MQTT 5. Alerts and results come at least once (QoS 1): equal "
                "correlation data is the same message, and `sequence` shows a gap. No message holds "
                "a DICOM UID or patient data; tokens are resolved on the appliance. "
                + _LIFE.format(beat=_default("heartbeat_s"))
            ),
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "broker": {
                "host": "{host}:{port}",
                "protocol": "mqtt",
                "protocolVersion": "5",
                "description": "The site's broker, or the appliance's own on loopback.",
                "variables": {
                    "host": {"default": _default("host")},
                    "port": {"default": _default("port")},
                },
            }
        },
        "channels": {
            "alert": _channel(
                "alert/{urgency}",
                "alert",
                "A finding somebody must see now; never retained.",
                {"urgency": {"enum": [str(u) for u in Urgency], "description": "How soon."}},
            ),
            "role": _channel(
                "role/{role}",
                "alert",
                "The same alert for a role further up the escalation plan (`alerting` in the settings).",
                {"role": {"description": "A role of the plan; a step may name another topic."}},
            ),
            "worklist": _channel(
                "worklist",
                "alert",
                "Findings that ring nobody: `demoted` says why. One that a human acknowledges here does not "
                "ring when the quiet ends.",
            ),
            "test_alert": _channel(
                "test/alert",
                "alert",
                "Canaries, test scanners, and what is found while the appliance is tested; no clinical role "
                "subscribes here.",
            ),
            "notice": _channel(
                "notice",
                "notice",
                "Findings are held back, or are no longer, or a budget is spent; not retained.",
            ),
            "ack": _channel("ack", "ack", _ACK),
            "result": _channel("result", "result", "The end of every series revision; never retained."),
            "test_result": _channel("test/result", "result", "The ends of such heads."),
            "canary": _channel(
                "notice", "canary", "For ops: the proof of life fails, and which part is to blame."
            ),
            "status": _channel(
                "status",
                "status",
                "Whether the appliance is there; retained, also as Will. Pagers show and sound `offline`.",
            ),
            "heartbeat": _channel(
                "heartbeat",
                "heartbeat",
                "Progress of the pipeline. Pagers show and sound that three are missing.",
            ),
        },
        "operations": {
            f"publish_{name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
                "bindings": {"mqtt": {"qos": 1, "retain": name == "status", "bindingVersion": "0.2.0"}},
            }
            for name in MESSAGES
        }
        | {
            f"publish_{channel}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": [{"$ref": f"#/channels/{channel}/messages/alert"}],
                "bindings": {"mqtt": {"qos": 1, "retain": False, "bindingVersion": "0.2.0"}},
            }
            for channel in ("role", "worklist", "test_alert")
        }
        | {
            "receive_ack": {
                "action": "receive",
                "channel": {"$ref": "#/channels/ack"},
                "messages": [{"$ref": "#/channels/ack/messages/ack"}],
                "bindings": {"mqtt": {"qos": 1, "retain": False, "bindingVersion": "0.2.0"}},
            }
        },
        "components": {
            "messages": {name: _message(name, model) for name, model in {**MESSAGES, **ANSWERS}.items()}
        },
    }


def _default(field: str) -> str:
    return str(MqttSettings.model_fields[field].default)


def _channel(levels: str, name: str, description: str, parameters: Document | None = None) -> Document:
    prefix = {"default": _default("topic_prefix"), "description": "mqtt.topic_prefix"}
    return {
        "address": f"{{prefix}}/{{appliance}}/{levels}",
        "description": description,
        "parameters": {
            "prefix": prefix,
            "appliance": {"description": "appliance.name"},
            **(parameters or {}),
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _message(name: str, model: type[BaseModel]) -> Document:
    described: Document = {
        "name": name,
        "title": model.__name__,
        "summary": (model.__doc__ or "").strip(),
        "contentType": CONTENT_TYPE,
        "correlationId": {
            "location": "$message.header#/correlationData",
            "description": "MQTT 5 correlation data; the same for every repetition of a message.",
        },
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./schema/{name}.v{MAJOR}.json"},
        },
    }
    binding: Document = {"payloadFormatIndicator": 1, "contentType": CONTENT_TYPE, "bindingVersion": "0.2.0"}
    if name == "alert":
        binding["responseTopic"] = f"{_default('topic_prefix')}/{{appliance}}/ack"
        described["description"] = (
            "Answer on the response topic with this message's correlation data, see the channel ack. A "
            "pager that keeps sessions (session expiry of days) and honours correlation data rings once "
            "for what is offered twice; `escalation` says why a copy rings."
        )
    return {**described, "bindings": {"mqtt": binding}}


def main() -> None:
    for path, document in documents().items():
        target = ROOM / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text_of(document), encoding="utf-8")


if __name__ == "__main__":
    main()

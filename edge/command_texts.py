"""What `edge COMMAND --help` says beyond its options, where that takes more than a line."""

from __future__ import annotations

UP = """Starts five programs, each supervised, each with its own log in <state>/logs:
  broker    an MQTT 5 broker on loopback (mqtt.mode = "external": yours instead)
  triton    NVIDIA Triton with the CPU build of the model (triton.mode = "external": yours instead);
            a first start downloads it into <state>/triton
  receiver  `edge receive`: stores what scanners send over DICOM, durably, and does nothing else
  agent     `edge run`: decodes while slices arrive, asks Triton, pages over MQTT, concludes every series
  canary    `edge canary --watch`: sends test heads and names the part where one stops (canary.period_s)"""

PAGER = """Subscribes where the escalation plans of [alerting] ring the role. Says `delivered` for every
page by itself; `a` and Enter acknowledges the oldest that waits, `c` closes what you acknowledged, `q` ends.
Says and sounds when no page could come: the broker is gone, the appliance offline, or its heartbeat overdue.
A reference for pager vendors: the contract is edge/mqtt/asyncapi.json."""

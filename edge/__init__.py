"""Streaming inference appliance for urgent imaging findings (research use, not for clinical use)."""

import os

# Since 1.29 ONNX Runtime for Linux sends telemetry to its maker unless this is set before it is imported;
# a box in a hospital talks to nobody it was not told about.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"

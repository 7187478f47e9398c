"""A streaming inference appliance for urgent imaging findings (research use, not for clinical use)."""

__version__ = "0.1.0"

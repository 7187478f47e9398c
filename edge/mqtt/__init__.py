"""Sole importer of paho: broker client, topics, message schema."""

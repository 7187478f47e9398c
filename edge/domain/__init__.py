"""Pure rules: what a series, evidence, finding, alert and outcome are. No vendor, clock, socket or thread."""

"""What a clinical model is: clinical.toml and the tensor contracts."""

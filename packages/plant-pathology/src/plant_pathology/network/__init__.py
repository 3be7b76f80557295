"""The network: its parts, its checkpoints, an ensemble of them, and the devices to run on."""

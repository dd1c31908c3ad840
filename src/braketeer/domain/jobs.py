"""What is agreed about hybrid jobs between those who accept them and those who run them."""

from __future__ import annotations

# Where a job finds its checkpoints unless it says otherwise (documentation of the model's JobCheckpointConfig).
DEFAULT_CHECKPOINT_PATH = "/opt/braket/checkpoints/"

MOST_HOSTS = 16  # of one job: all of them share this machine

"""A driver whose module needs what the process has not."""

import os

ADDRESS = os.environ["ADDRESS_OF_THE_DEVICE"]

"""What the instance types of hybrid jobs have: vCPUs, memory and GPUs of one instance, as Amazon publishes them for the
EC2 instances of the same names (https://aws.amazon.com/ec2/instance-types/). All 58 of the model's InstanceType.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instance:
    """``memory_gib`` is what the whole instance has."""

    vcpus: int
    memory_gib: float
    gpus: int = 0


# family: {size: (vCPUs, GiB, GPUs)}
_TABLE: dict[str, dict[str, tuple[int, float, int]]] = {
    "t3": {"large": (2, 8, 0), "xlarge": (4, 16, 0), "2xlarge": (8, 32, 0)},
    "m4": {
        "xlarge": (4, 16, 0),
        "2xlarge": (8, 32, 0),
        "4xlarge": (16, 64, 0),
        "10xlarge": (40, 160, 0),
        "16xlarge": (64, 256, 0),
    },
    "m5": {
        "large": (2, 8, 0),
        "xlarge": (4, 16, 0),
        "2xlarge": (8, 32, 0),
        "4xlarge": (16, 64, 0),
        "12xlarge": (48, 192, 0),
        "24xlarge": (96, 384, 0),
    },
    "c4": {"xlarge": (4, 7.5, 0), "2xlarge": (8, 15, 0), "4xlarge": (16, 30, 0), "8xlarge": (36, 60, 0)},
    "c5": {
        "xlarge": (4, 8, 0),
        "2xlarge": (8, 16, 0),
        "4xlarge": (16, 32, 0),
        "9xlarge": (36, 72, 0),
        "18xlarge": (72, 144, 0),
    },
    "c5n": {
        "xlarge": (4, 10.5, 0),
        "2xlarge": (8, 21, 0),
        "4xlarge": (16, 42, 0),
        "9xlarge": (36, 96, 0),
        "18xlarge": (72, 192, 0),
    },
    "p2": {"xlarge": (4, 61, 1), "8xlarge": (32, 488, 8), "16xlarge": (64, 732, 16)},
    "p3": {"2xlarge": (8, 61, 1), "8xlarge": (32, 244, 4), "16xlarge": (64, 488, 8)},
    "p3dn": {"24xlarge": (96, 768, 8)},
    "p4d": {"24xlarge": (96, 1152, 8)},
    "g4dn": {
        "xlarge": (4, 16, 1),
        "2xlarge": (8, 32, 1),
        "4xlarge": (16, 64, 1),
        "8xlarge": (32, 128, 1),
        "12xlarge": (48, 192, 4),
        "16xlarge": (64, 256, 1),
    },
    "g6": {
        "xlarge": (4, 16, 1),
        "2xlarge": (8, 32, 1),
        "4xlarge": (16, 64, 1),
        "8xlarge": (32, 128, 1),
        "12xlarge": (48, 192, 4),
        "16xlarge": (64, 256, 1),
        "24xlarge": (96, 384, 4),
        "48xlarge": (192, 768, 8),
    },
    "g6e": {
        "xlarge": (4, 32, 1),
        "2xlarge": (8, 64, 1),
        "4xlarge": (16, 128, 1),
        "8xlarge": (32, 256, 1),
        "12xlarge": (48, 384, 4),
        "16xlarge": (64, 512, 1),
        "24xlarge": (96, 768, 4),
        "48xlarge": (192, 1536, 8),
    },
}

INSTANCES = {f"ml.{family}.{size}": Instance(*has) for family, sizes in _TABLE.items() for size, has in sizes.items()}


def instance(instance_type: str) -> Instance:
    """The instance of a type that CreateJob takes; a type of a newer model counts as the smallest."""
    return INSTANCES.get(instance_type, INSTANCES["ml.m5.large"])

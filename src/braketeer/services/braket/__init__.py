"""Amazon Braket, a file a noun; ``Braket`` is their sum. Rows and refusals only: the work is done in braketeer.work."""

from __future__ import annotations

from braketeer.services.braket.devices import Devices
from braketeer.services.braket.jobs import Jobs
from braketeer.services.braket.quantum_tasks import QuantumTasks
from braketeer.services.braket.spending_limits import SpendingLimits
from braketeer.services.braket.tags import Tags


class Braket:
    """The service as the gateway sees it: one method an operation."""

    def __init__(
        self, devices: Devices, quantum_tasks: QuantumTasks, jobs: Jobs, tags: Tags, spending_limits: SpendingLimits
    ) -> None:
        self.get_device = devices.get_device
        self.search_devices = devices.search_devices
        self.create_quantum_task = quantum_tasks.create_quantum_task
        self.get_quantum_task = quantum_tasks.get_quantum_task
        self.cancel_quantum_task = quantum_tasks.cancel_quantum_task
        self.search_quantum_tasks = quantum_tasks.search_quantum_tasks
        self.create_job = jobs.create_job
        self.get_job = jobs.get_job
        self.cancel_job = jobs.cancel_job
        self.search_jobs = jobs.search_jobs
        self.tag_resource = tags.tag_resource
        self.untag_resource = tags.untag_resource
        self.list_tags_for_resource = tags.list_tags_for_resource
        self.create_spending_limit = spending_limits.create_spending_limit
        self.update_spending_limit = spending_limits.update_spending_limit
        self.delete_spending_limit = spending_limits.delete_spending_limit
        self.search_spending_limits = spending_limits.search_spending_limits

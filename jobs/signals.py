"""What happens to workflows, jobs and credentials, for the floors above. Sent inside the transaction that does it."""

from django.dispatch import Signal

workflow_archived = Signal()  # workflow, by
job_switched = Signal()  # job, previous (its state before), by
job_archived = Signal()  # job, by
version_made_live = Signal()  # version, previous (the version that was live, or None), by
credential_changed = Signal()  # credential, environment, by
credential_proved = Signal()  # credential, environment, by

"""What happens to projects, for the floors above. Sent inside the transaction that does it."""

from django.dispatch import Signal

project_made = Signal()  # project, by
project_changed = Signal()  # project, changed (names of fields), by
project_archived = Signal()  # project, by
letter_written = Signal()  # to, subject, text: a mail about the person's own account

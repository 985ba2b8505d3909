"""Finding a person and erasing what was found. The names that were looked for are sealed, and gone in the end."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class SearchState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Searching"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class PersonSearch(Row):
    """One question for a person. Forgotten, with what it found, some days later."""

    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="+")
    created_by = models.ForeignKey("projects.User", models.SET_NULL, null=True, related_name="+")
    sealed = models.BinaryField(null=True)  # what was typed, encrypted; null: forgotten
    state = models.CharField(max_length=7, choices=SearchState, default=SearchState.WAITING)
    progress = models.CharField(max_length=200, blank=True)
    error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "person_search"
        verbose_name = "search for a person"
        verbose_name_plural = "searches for persons"
        ordering = ["-id"]
        constraints = [tenant_unique("person_search")]

    def __str__(self) -> str:
        return f"Search of {self.created_at:%Y-%m-%d %H:%M}"


class PersonFind(models.Model):
    """One place in which the person occurs. Says where, never what."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="+", db_index=False)
    search = TenantKey("runs.PersonSearch", models.CASCADE, related_name="finds")
    place = models.CharField(max_length=20)  # a name in runs.finding.places
    ref = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    run_id = models.UUIDField(null=True)  # whose page shows it
    at = models.DateTimeField(null=True)

    class Meta:
        db_table = "person_find"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["search", "place", "ref"], name="person_find_once")]

    def __str__(self) -> str:
        return self.title


class ErasureState(models.TextChoices):
    WAITING = "waiting", "Waiting for runs to end"
    DONE = "done", "Done"


class Erasure(Row):
    """The certificate: what was erased where, when, by whom and why, and whom it had been sent to. Never pruned."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="erasures")
    number = models.CharField(max_length=24, unique=True)
    search_id = models.UUIDField(null=True)  # of the search, as long as it is remembered
    by = models.ForeignKey("projects.User", models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=254)
    reason = models.CharField(max_length=300)
    memories = models.CharField(max_length=6, default="wipe")  # wipe | keep
    state = models.CharField(max_length=7, choices=ErasureState, default=ErasureState.WAITING)
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)  # {what: rows}
    rows = models.JSONField(default=list)  # [[place, id, at], …]
    todo = models.JSONField(default=dict)  # {place: [ids]} still to be erased: some runs have not ended
    recipients = models.JSONField(
        default=list
    )  # what went where: [{at, run, connection, method, system, status}]
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "erasure"
        ordering = ["-id"]
        constraints = [tenant_unique("erasure")]
        indexes = [
            models.Index(fields=["updated_at"], name="erasure_waiting", condition=models.Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return self.number

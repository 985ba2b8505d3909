"""What housekeeping remembers: how far each of its tasks has come, and the words that things are found by."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from openfn_platform.common.wordfield import WordField, word_index


class Housekeeping(models.Model):
    """One task in one project, or of the installation: where it goes on, what it has done."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(
        "projects.Project", models.CASCADE, null=True, related_name="+", db_index=False
    )
    task = models.CharField(max_length=30)
    cursor = models.CharField(max_length=80, blank=True)  # rows before it have been looked at
    again_from = models.CharField(max_length=80, blank=True)  # the oldest that could not go yet
    again_at = models.DateTimeField(db_default=Now())  # when those are looked at again
    rows = models.BigIntegerField(default=0)  # done since the beginning
    last_rows = models.BigIntegerField(default=0)  # done on the last day on which there was something to do
    last_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "housekeeping"
        verbose_name = "retention"
        verbose_name_plural = "retention"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "task"], nulls_distinct=False, name="housekeeping_task_once"
            ),
        ]

    def __str__(self) -> str:
        return self.task


class SearchPlace(models.TextChoices):
    MESSAGE = "message", "Message"
    RUN = "run", "Run"
    MAIL = "mail", "Mail"


class SearchText(models.Model):
    """The words of one message, run or mail, taken out after it was stored. Long texts have several rows.

    No foreign keys, as its rows go with what they describe: `runs.payload_wiping` and retention take them along.
    """

    id = models.BigAutoField(primary_key=True)
    project_id = models.UUIDField()
    place = models.CharField(max_length=7, choices=SearchPlace)
    ref = models.UUIDField()
    part = models.PositiveIntegerField(default=0)
    words = WordField()

    class Meta:
        db_table = "search_text"
        constraints = [models.UniqueConstraint(fields=["ref", "part"], name="search_text_once")]
        indexes = [word_index("words", name="search_text_words")]

    def __str__(self) -> str:
        return f"{self.place} {self.ref}"

"""The project's library: Python modules that its jobs share, every version kept."""

from __future__ import annotations

import keyword

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique

_valid_module = RegexValidator(
    r"\A[a-z][a-z0-9_]*\Z",
    "A module's key is a name in code: small letters, digits and _, for example `facilities`.",
)


def not_a_word_of_python(value: str) -> None:
    if keyword.iskeyword(value):
        raise ValidationError("This is a word of Python itself; choose another one.")


class LibraryModule(Row):
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="library_modules")
    key = models.CharField(
        max_length=40,
        validators=[_valid_module, not_a_word_of_python],
        help_text="Its name in code: `from library import facilities`. It stays the same when the name changes.",
    )
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    live_version = TenantKey("jobs.LibraryVersion", null=True, blank=True, editable=False, related_name="+")
    latest_version = TenantKey("jobs.LibraryVersion", null=True, blank=True, editable=False, related_name="+")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "library_module"
        ordering = ["key"]
        constraints = [
            tenant_unique("library_module"),
            models.UniqueConstraint(fields=["project", "key"], name="library_module_key_once"),
        ]

    def __str__(self) -> str:
        return self.name


class LibraryVersion(Row):
    """Number 1, 2, 3 … of one module. Never changed after it was saved; the newest without errors is live."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    module = TenantKey("jobs.LibraryModule", related_name="versions")
    number = models.PositiveIntegerField()
    code = models.TextField(blank=True)
    author = models.ForeignKey("projects.User", models.SET_NULL, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=300, blank=True)
    findings = models.JSONField(default=list, blank=True)  # what the check said when it was saved

    class Meta:
        db_table = "library_version"
        ordering = ["-number"]
        constraints = [
            tenant_unique("library_version"),
            models.UniqueConstraint(fields=["module", "number"], name="library_version_number_once"),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"

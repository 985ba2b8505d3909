"""The project, its members, its tokens and the audit, as programs see them and what they send."""

from __future__ import annotations

from rest_framework import serializers

from openfn_platform.common.serializing import Flag, StrictSerializer, Text, Whole, Word
from openfn_platform.projects.models import ApiToken, AuditEntry, Membership, Project, Role
from openfn_platform.projects.models.membership import RANK

# Who is an owner is decided by people.
ROLES = [role.value for role in Role if RANK[role] < RANK[Role.OWNER]]
SETTINGS = (
    "name",
    "description",
    "environment",
    "time_zone",
    "max_concurrency",
    "max_waiting",
    "messages_per_minute",
    "messages_burst",
    "max_body_bytes",
    "payload_days",
    "history_days",
    "mail_shows_text",
    "keeps_payloads",
    "allowed_hosts",
    "mfa_required",
)


class ProjectSerializer(serializers.ModelSerializer[Project]):
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Project
        fields = ("id", "key", *SETTINGS, "inserted_at")
        read_only_fields = fields


class ProjectChangeSerializer(StrictSerializer):
    """The settings to change; the others stay."""

    name = Text(required=False, max_length=120)
    description = Text(required=False, allow_blank=True, max_length=10_000)
    environment = Text(required=False, max_length=30)
    time_zone = Text(required=False, max_length=64, help_text="For example Africa/Nairobi.")
    max_concurrency = Whole(required=False, min_value=1)
    max_waiting = Whole(required=False)
    messages_per_minute = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        help_text="Of all its inboxes together; more are answered 429 and not kept. null: no limit.",
    )
    messages_burst = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        help_text="How many of these may come at once; null: a minute's worth.",
    )
    max_body_bytes = Whole(required=False)
    payload_days = Whole(required=False, min_value=1)
    history_days = Whole(required=False, min_value=1)
    mail_shows_text = Flag(required=False)
    keeps_payloads = Flag(
        required=False,
        help_text="false: bodies, states and logs are erased within a minute after their work has succeeded, and "
        "after three days at most where a person may want to repair something. What is erased does not come back.",
    )
    allowed_hosts = serializers.ListField(
        child=Text(max_length=253), required=False, max_length=200, help_text="Empty: any public one."
    )
    mfa_required = Flag(
        required=False,
        help_text="true: members without a second factor set one up before they see anything. Tokens are not concerned.",
    )


class MemberSerializer(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email", read_only=True)
    name = serializers.CharField(source="user.name", read_only=True)
    role = serializers.CharField(read_only=True, help_text="viewer, operator, editor, admin or owner.")
    active = serializers.BooleanField(
        source="user.is_active", read_only=True, help_text="Whether the person can log in at all."
    )
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Membership
        fields = ("id", "email", "name", "role", "may_see_data", "failure_mail", "active", "inserted_at")
        read_only_fields = fields


class MemberChangeSerializer(StrictSerializer):
    """What to change; the rest stays."""

    role = Word(choices=ROLES, required=False)
    may_see_data = Flag(required=False, help_text="Needs a token that may read data itself.")
    failure_mail = Flag(required=False, help_text="A mail when something fails.")


class MemberAddSerializer(MemberChangeSerializer):
    """A person who can log in here already."""

    email = Text(max_length=254)
    role = Word(choices=ROLES)


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
    created_by = serializers.CharField(read_only=True, allow_null=True)
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = ApiToken
        fields = (
            "id",
            "name",
            "prefix",
            "scopes",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "created_by",
            "inserted_at",
        )
        read_only_fields = fields
        extra_kwargs = {"prefix": {"help_text": "How it begins; the whole was shown once."}}


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    actor = serializers.UUIDField(
        source="actor_id", read_only=True, allow_null=True, help_text="The person; null for programs."
    )
    token = serializers.UUIDField(source="token_id", read_only=True, allow_null=True)
    changes = serializers.DictField(read_only=True, help_text="Before and after; never a secret.")

    class Meta:
        model = AuditEntry
        fields = (
            "id",
            "at",
            "actor",
            "actor_name",
            "token",
            "action",
            "object_type",
            "object_id",
            "object_name",
            "changes",
        )
        read_only_fields: tuple[str, ...] = fields

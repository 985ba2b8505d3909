"""Credentials as programs see and change them. Secrets go in and never come out again."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.api.serializers import NAME
from jobs.credentials import Visible
from jobs.models import Credential, CredentialPrevious, Job
from jobs.oauth import Connection
from openfn_platform.common.models import KEY_LENGTH, valid_key
from openfn_platform.common.serializing import IdField, Moment, StrictSerializer, Text

ENVIRONMENT = 30
ADAPTOR = 60
REASON = 500
MOST_VALUES = 60


class CredentialEnvironmentSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField()
    updated_at = serializers.DateTimeField(help_text="When its values were stored last.")


class CredentialTestSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField()
    tested_at = serializers.DateTimeField(allow_null=True)
    worked = serializers.BooleanField(
        source="test_ok", allow_null=True, help_text="null: never tried with these values."
    )
    sentence = serializers.CharField(source="test_sentence", help_text="What came of it.")


class CredentialSerializer(serializers.ModelSerializer[Credential]):
    owned = serializers.SerializerMethodField(
        help_text="Whether it is this project's own; another project's was lent to it and is changed there."
    )
    lent = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        help_text="To how many other projects; null where it is not one's own.",
    )
    environments = CredentialEnvironmentSerializer(
        source="bodies", many=True, read_only=True, help_text="Those that it has values for."
    )
    tests = CredentialTestSerializer(
        source="bodies", many=True, read_only=True, help_text="How its last tests went, by environment."
    )
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)
    archived_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When it was put away; null while it is in use."
    )

    class Meta:
        model = Credential
        fields: tuple[str, ...] = (
            "id",
            "key",
            "name",
            "adaptor",
            "owned",
            "lent",
            "environments",
            "tests",
            "expires_at",
            "inserted_at",
            "archived_at",
        )
        read_only_fields = fields

    def get_owned(self, credential: Credential) -> bool:
        return self._owned(credential)

    def to_representation(self, instance: Credential) -> Any:
        told = super().to_representation(instance)
        if "lent" in told and not self._owned(instance):
            told["lent"] = None  # whom else its owner lends it to is the owner's business
        return told

    def _owned(self, credential: Credential) -> bool:
        owned: bool = credential.project_id == self.context["view"].project.pk
        return owned


class CredentialDetailSerializer(CredentialSerializer):
    """With what may be shown of the values of one environment, to those who may change them."""

    environment = serializers.SerializerMethodField(help_text="Of which `values` tells.")
    values = serializers.SerializerMethodField(
        help_text="The values that are no secrets; null without the scope deploy, or where it is not one's own."
    )
    secrets_set = serializers.SerializerMethodField(
        help_text="Names of the secrets that have a value; null like `values`."
    )
    connected = serializers.SerializerMethodField(
        help_text="Of one that a person connects in the browser: whether it is; null: it needs no connecting."
    )

    class Meta(CredentialSerializer.Meta):
        fields = (*CredentialSerializer.Meta.fields, "environment", "values", "secrets_set", "connected")
        read_only_fields = fields

    def get_environment(self, credential: Credential) -> str:
        return str(self.context["environment"])

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {}})
    def get_values(self, credential: Credential) -> dict[str, Any] | None:
        visible: Visible | None = self.context["visible"]
        return None if visible is None else visible.values

    @extend_schema_field({"type": "array", "nullable": True, "items": {"type": "string"}})
    def get_secrets_set(self, credential: Credential) -> list[str] | None:
        visible: Visible | None = self.context["visible"]
        return None if visible is None else list(visible.secrets_set)

    @extend_schema_field({"type": "boolean", "nullable": True})
    def get_connected(self, credential: Credential) -> bool | None:
        connection: Connection | None = self.context["connection"]
        return None if connection is None else connection.is_connected


class _ValuesField(serializers.DictField):
    child = serializers.JSONField(allow_null=True)

    def run_child_validation(self, data: Any) -> Any:
        if len(data) > MOST_VALUES:
            raise serializers.ValidationError(f"There are more than {MOST_VALUES} values.")
        return super().run_child_validation(data)


class CredentialChangeSerializer(StrictSerializer):
    name = Text(max_length=NAME, required=False)
    expires_at = Moment(
        required=False,
        allow_null=True,
        help_text="When its password, key or certificate ends; null: it does not.",
    )
    environment = Text(
        max_length=ENVIRONMENT, required=False, help_text="Whose values these are; usually the project's own."
    )
    values = _ValuesField(
        required=False,
        write_only=True,
        help_text="By the names in the adaptor's schema. A secret that is left out stays as it is.",
    )
    clear = serializers.ListField(
        child=Text(max_length=60),
        max_length=MOST_VALUES,
        required=False,
        help_text="Names of values to remove.",
    )
    save_anyway = Text(
        max_length=REASON,
        required=False,
        help_text="Why it is to be stored although its test may fail; goes into the audit.",
    )


class CredentialMakeSerializer(StrictSerializer):
    name = Text(max_length=NAME)
    adaptor = Text(max_length=ADAPTOR, help_text="As `/adaptors` names it; it has the schema of the values.")
    values = _ValuesField(write_only=True, help_text="By the names in the adaptor's schema.")
    key = Text(
        max_length=KEY_LENGTH,
        validators=[valid_key],
        required=False,
        help_text="For files; made from the name if it is left out. It stays for good.",
    )
    environment = Text(
        max_length=ENVIRONMENT, required=False, help_text="Whose values these are; usually the project's own."
    )
    expires_at = Moment(required=False, allow_null=True)
    save_anyway = Text(
        max_length=REASON,
        required=False,
        help_text="Why it is to be stored although its test may fail; goes into the audit.",
    )


class EnvironmentChosenSerializer(StrictSerializer):
    environment = Text(max_length=ENVIRONMENT, required=False, help_text="Usually the project's own.")


class UndoSerializer(EnvironmentChosenSerializer):
    earlier = IdField(required=False, help_text="Which earlier values; usually the newest.")


class CredentialTestedSerializer(serializers.Serializer[Any]):
    sentence = serializers.CharField(help_text="What the partner said.")


class EarlierSerializer(serializers.ModelSerializer[CredentialPrevious]):
    replaced_by = serializers.CharField(
        read_only=True, allow_null=True, help_text="The person who did; null: a program did."
    )
    worked = serializers.BooleanField(source="test_ok", read_only=True, allow_null=True)

    class Meta:
        model = CredentialPrevious
        fields = ("id", "replaced_at", "replaced_by", "worked")
        read_only_fields = fields


class EarlierListSerializer(serializers.Serializer[Any]):
    results = EarlierSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Always null: there is one page.")


class CredentialUserSerializer(serializers.ModelSerializer[Job]):
    """A job that uses a credential."""

    live = serializers.SerializerMethodField(
        help_text="Whether its live version does; else its newest draft."
    )

    class Meta:
        model = Job
        fields = ("id", "key", "name", "workflow", "live")
        read_only_fields = fields

    def get_live(self, job: Job) -> bool:
        return job.pk in self.context["live"]


class CredentialUsersSerializer(serializers.Serializer[Any]):
    jobs = CredentialUserSerializer(many=True, help_text="Of this project.")
    elsewhere = serializers.IntegerField(
        allow_null=True,
        help_text="How many live jobs of other projects use it; null where it is not one's own.",
    )


class LoanSerializer(serializers.Serializer[Any]):
    project = serializers.UUIDField(source="project_id", help_text="Id of the project that may use it.")


class LoanListSerializer(serializers.Serializer[Any]):
    results = LoanSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Always null: there is one page.")


class LendSerializer(StrictSerializer):
    token = Text(
        max_length=100,
        write_only=True,
        help_text="A token of the project that is to use it, as its consent. It is not kept.",
    )

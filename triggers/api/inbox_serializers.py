"""Inboxes as programs see and change them, what opens them, and what they refused."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from openfn_platform.common.models import KEY_LENGTH
from openfn_platform.common.serializing import Flag, Moment, StrictSerializer, Text, Word
from triggers.api.serializers import NAME
from triggers.inboxes import inbox_address
from triggers.models import Inbox, InboxAuth
from triggers.models.inbox import InboxAccess, Refusal, RefusalCount


class InboxSerializer(serializers.ModelSerializer[Inbox]):
    address = serializers.SerializerMethodField(help_text="Where messages are posted to.")
    access = serializers.CharField(
        read_only=True, help_text="none (anybody who knows the address) or key (only with what opens it)."
    )
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)
    archived_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When it was put away; null while it is in use."
    )

    class Meta:
        model = Inbox
        fields = (
            "id",
            "name",
            "address",
            "trigger",
            "access",
            "duplicate_path",
            "enabled",
            "inserted_at",
            "archived_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "trigger": {"help_text": "The only one that it feeds; null: all message triggers of the project."}
        }

    def get_address(self, inbox: Inbox) -> str:
        return inbox_address(inbox)


class InboxSettingsSerializer(StrictSerializer):
    """What can be said about an inbox when it is made, and changed later."""

    name = Text(max_length=NAME, required=False)
    access = Word(choices=InboxAccess.values, required=False)
    duplicate_path = Text(
        max_length=300,
        allow_blank=True,
        required=False,
        help_text="Where a message carries its own id, for example form.meta.instanceID.",
    )


class InboxChangeSerializer(InboxSettingsSerializer):
    enabled = Flag(required=False, help_text="Off: messages are refused.")


class InboxMakeSerializer(InboxSettingsSerializer):
    name = Text(max_length=NAME)
    trigger = Text(
        max_length=KEY_LENGTH,
        required=False,
        help_text="Id of the trigger that it feeds alone. Only where the project's inbox was put away there can "
        "be one without.",
    )


class AuthSerializer(serializers.ModelSerializer[InboxAuth]):
    kind = serializers.CharField(read_only=True, help_text="key: an API key in the header x-api-key.")
    prefix = serializers.CharField(read_only=True, help_text="How it begins; the rest is not known any more.")

    class Meta:
        model = InboxAuth
        fields = ("id", "kind", "name", "prefix", "expires_at", "revoked_at", "last_used_at", "created_at")
        read_only_fields = fields


class AuthMadeSerializer(AuthSerializer):
    """Once, in the answer to whoever made it."""

    secret = serializers.SerializerMethodField(help_text="For the sender. It is shown now and never again.")

    class Meta(AuthSerializer.Meta):
        fields = (*AuthSerializer.Meta.fields, "secret")  # type: ignore[assignment]  # a longer tuple
        read_only_fields = fields  # type: ignore[assignment]  # likewise

    def get_secret(self, auth: InboxAuth) -> str:
        secret: str = self.context["secret"]
        return secret


class AuthMakeSerializer(StrictSerializer):
    name = Text(max_length=NAME, help_text="Who uses it, so that it can be told from the others.")
    expires_at = Moment(required=False, allow_null=True, help_text="null: never.")


class AuthListSerializer(serializers.Serializer[Any]):
    results = AuthSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Always null: there is one page.")


class RefusalSerializer(serializers.ModelSerializer[Refusal]):
    class Meta:
        model = Refusal
        fields = ("at", "status", "code", "reason", "key_prefix", "sender", "size")
        read_only_fields = fields
        extra_kwargs = {
            "key_prefix": {"help_text": "How the key began that came with it."},
            "sender": {"help_text": "Its network address."},
            "size": {"help_text": "Of the body, in bytes; the body itself is not kept."},
        }


class RefusalCountSerializer(serializers.ModelSerializer[RefusalCount]):
    class Meta:
        model = RefusalCount
        fields = ("hour", "status", "code", "count")
        read_only_fields = fields


class RefusalsSerializer(serializers.Serializer[Any]):
    results = RefusalSerializer(many=True, help_text="The last hundred, newest first.")
    hours = RefusalCountSerializer(many=True, help_text="How many there were in the last 24 hours, by hour.")
    next = serializers.CharField(allow_null=True, help_text="Always null: there is one page.")

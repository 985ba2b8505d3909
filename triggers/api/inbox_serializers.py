"""Inboxes as programs see and change them, what opens them, and what they refused."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from openfn_platform.common.models import KEY_LENGTH
from openfn_platform.common.serializing import Flag, Moment, StrictSerializer, Text, TextOrNull, Whole, Word
from triggers.admitting import LONGEST_PASSWORD
from triggers.api.serializers import NAME
from triggers.inboxes import inbox_address
from triggers.models import Inbox, InboxAuth
from triggers.models.inbox import (
    BODY_BYTES,
    PER_MINUTE,
    REPLY_SECONDS,
    AuthKind,
    InboxAccess,
    Refusal,
    RefusalCount,
    Reply,
    ReplyContent,
)


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
            "reply",
            "reply_seconds",
            "reply_content",
            "failed_status",
            "schema",
            "max_body_bytes",
            "key_per_minute",
            "key_burst",
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
    reply = Word(
        choices=Reply.values, required=False, help_text="now: with the ids; done: when all has ended."
    )
    reply_seconds = Whole(
        min_value=REPLY_SECONDS[0],
        max_value=REPLY_SECONDS[1],
        required=False,
        help_text="How long `done` waits; then the answer is 504 with the ids, and the runs go on.",
    )
    reply_content = Word(
        choices=ReplyContent.values, required=False, help_text="What the answer of `done` holds."
    )
    failed_status = Whole(required=False, help_text="The answer of `done` when a run failed; usually 424.")
    schema = serializers.JSONField(
        allow_null=True,
        required=False,
        help_text="JSON Schema, draft 2020-12. What does not fit is refused with 422 and the places.",
    )
    max_body_bytes = Whole(
        min_value=BODY_BYTES[0],
        max_value=BODY_BYTES[1],
        allow_null=True,
        required=False,
        help_text="null: as in the project's settings.",
    )
    key_per_minute = Whole(
        min_value=PER_MINUTE[0],
        max_value=PER_MINUTE[1],
        allow_null=True,
        required=False,
        help_text="Messages a minute of each key; more are answered 429. null: no limit.",
    )
    key_burst = Whole(
        min_value=PER_MINUTE[0],
        max_value=PER_MINUTE[1],
        allow_null=True,
        required=False,
        help_text="How many of these may come at once; null: a minute's worth.",
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
    kind = serializers.CharField(
        read_only=True,
        help_text="key (header x-api-key), basic (user and password) or hmac (signed by Standard Webhooks).",
    )
    prefix = TextOrNull(help_text="How the key or signing secret begins.")
    username = TextOrNull(help_text="Of a password.")
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = InboxAuth
        fields: tuple[str, ...] = (
            "id",
            "kind",
            "name",
            "prefix",
            "username",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "refused_since",
            "inserted_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "refused_since": {
                "help_text": "It had worked, and since then messages that come with it are refused."
            }
        }


class AuthMadeSerializer(AuthSerializer):
    """Once, in the answer to whoever made it."""

    secret = serializers.SerializerMethodField(
        help_text="For the sender: the key, password or signing secret. It is told now and never again."
    )

    class Meta(AuthSerializer.Meta):
        fields = (*AuthSerializer.Meta.fields, "secret")
        read_only_fields = fields

    def get_secret(self, auth: InboxAuth) -> str:
        secret: str = self.context["secret"]
        return secret


class AuthMakeSerializer(StrictSerializer):
    kind = Word(choices=AuthKind.values, required=False, default=AuthKind.KEY.value)
    name = Text(max_length=NAME, help_text="Who uses it, so that it can be told from the others.")
    username = Text(max_length=100, required=False, help_text="Of the kind basic.")
    password = Text(
        max_length=LONGEST_PASSWORD,
        required=False,
        write_only=True,
        help_text="Of the kind basic, where the sender's cannot be changed. Left out, a strong one is made.",
    )
    secret = Text(
        max_length=800,
        required=False,
        write_only=True,
        help_text="Of the kind hmac, where the sender makes it: whsec_ and base64. Left out, one is made.",
    )
    expires_at = Moment(required=False, allow_null=True, help_text="null: never.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind = attrs["kind"]
        for name, of in {
            "username": AuthKind.BASIC,
            "password": AuthKind.BASIC,
            "secret": AuthKind.HMAC,
        }.items():
            if name in attrs and kind != of:
                raise serializers.ValidationError(
                    {name: [f"Is of the kind {of.value}; this one is a {kind}."]}
                )
        if kind == AuthKind.BASIC and "username" not in attrs:
            raise serializers.ValidationError({"username": ["Say who the user is."]})
        return attrs


class AuthListSerializer(serializers.Serializer[Any]):
    results = AuthSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Always null: there is one page.")


class InboxRefusalSerializer(serializers.ModelSerializer[Refusal]):
    class Meta:
        model = Refusal
        fields = ("at", "status", "code", "reason", "key_prefix", "sender", "size")
        read_only_fields = fields
        extra_kwargs = {
            "key_prefix": {"help_text": "How the key began that came with it."},
            "sender": {"help_text": "Its network address."},
            "size": {"help_text": "Of the body, in bytes; the body itself is not kept."},
        }


class InboxRefusalCountSerializer(serializers.ModelSerializer[RefusalCount]):
    class Meta:
        model = RefusalCount
        fields = ("hour", "status", "code", "count")
        read_only_fields = fields


class InboxRefusalsSerializer(serializers.Serializer[Any]):
    results = InboxRefusalSerializer(many=True, help_text="The last hundred, newest first.")
    hours = InboxRefusalCountSerializer(
        many=True, help_text="How many there were in the last 24 hours, by hour."
    )
    next = serializers.CharField(allow_null=True, help_text="Always null: there is one page.")

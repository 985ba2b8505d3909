"""Inboxes: listed, made, changed, put away; what opens them, and what they refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.errors import NotFound
from openfn_platform.common.models import as_uuid
from openfn_platform.common.pagination import page_response
from openfn_platform.common.parameters import of_flag, of_id, of_words
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, not_now, put_away, unusable
from openfn_platform.projects.models import Role
from triggers.admitting import inbox_password_add, inbox_secret_add
from triggers.api.inbox_serializers import (
    AuthListSerializer,
    AuthMadeSerializer,
    AuthMakeSerializer,
    AuthSerializer,
    InboxChangeSerializer,
    InboxMakeSerializer,
    InboxRefusalCountSerializer,
    InboxRefusalSerializer,
    InboxRefusalsSerializer,
    InboxSerializer,
)
from triggers.inboxes import inbox_archive, inbox_change, inbox_create, inbox_key_add, inbox_key_revoke
from triggers.models import Inbox, InboxAuth, Trigger
from triggers.models.inbox import AuthKind, InboxAccess
from triggers.refusals import KEPT

_MAKERS = {
    AuthKind.KEY: inbox_key_add,
    AuthKind.BASIC: inbox_password_add,
    AuthKind.HMAC: inbox_secret_add,
}
MOST_AUTHS = 500
LATELY = timedelta(hours=24)
MOST_COUNTS = 500


@extend_schema_view(
    list=extend_schema(summary="Inboxes, newest first", tags=["inboxes"]),
    retrieve=extend_schema(
        summary="One inbox", tags=["inboxes"], responses={200: InboxSerializer, **not_found}
    ),
)
class InboxViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Inbox]):
    queryset = Inbox.objects.all()
    serializer_class = InboxSerializer
    parameters = (
        of_flag("enabled", "Only those that are on, or only those that are off.", path="enabled"),
        of_words("access", "Opened so.", path="access", words=InboxAccess.values),
        of_id("trigger", "Of this trigger alone.", path="trigger_id"),
        of_flag(
            "archived",
            "Those that were put away instead of those in use.",
            path="archived_at__isnull",
            reverse=True,
            usual="false",
        ),
    )
    # Tokens that may deploy stand for administrators here; the verbs ask for exactly that.
    needs = {"create": Role.EDITOR, "partial_update": Role.EDITOR, "destroy": Role.EDITOR}
    address = "api-inbox"

    @extend_schema(
        summary="Make an inbox",
        description="For one trigger alone. Add what opens it, then give address and secret to the sender.",
        tags=["inboxes"],
        request=InboxMakeSerializer,
        responses={201: InboxSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample(
                "For one trigger",
                request_only=True,
                value={
                    "name": "CommCare forwarding",
                    "trigger": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
                    "duplicate_path": "form.meta.instanceID",
                },
            ),
            OpenApiExample(
                "That answers when all is done",
                request_only=True,
                value={
                    "name": "Eligibility check",
                    "trigger": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
                    "reply": "done",
                    "reply_seconds": 20,
                    "reply_content": "job",
                },
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        values = self.given(InboxMakeSerializer)
        if "trigger" in values:
            values["trigger"] = self._trigger(values["trigger"])
        return self.shown(inbox_create(project=self.project, by=self.actor, **values), status=201)

    def _trigger(self, key: str) -> Trigger:
        if as_uuid(key) is None:  # its key is unique in its workflow only
            raise NotFound("There is no trigger by that id.", field="trigger")
        return self.named(Trigger.objects.all(), key, field="trigger")

    @extend_schema(
        summary="Change or switch an inbox",
        description="Its address stays.",
        tags=["inboxes"],
        request=InboxChangeSerializer,
        responses={200: InboxSerializer, **not_found, **not_now, **unusable},
        examples=[OpenApiExample("Refuse messages", value={"enabled": False}, request_only=True)],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        values: Any = self.given(InboxChangeSerializer)
        with self.holding() as inbox:
            inbox_change(inbox=inbox, by=self.actor, **values)
        return self.shown(inbox)

    @extend_schema(
        summary="Put an inbox away",
        description="Its address answers nobody any more, for good. The messages are kept.",
        tags=["inboxes"],
        responses={**put_away, **not_found, **not_now},
    )
    def destroy(self, request: Request, id: str) -> Response:
        with self.holding() as inbox:
            inbox_archive(inbox=inbox, by=self.actor)
        return Response(status=204)


class InboxAuthViewSet(ProjectViewSet[Inbox]):
    """Of one inbox: what opens it, and whom it refused."""

    queryset = Inbox.objects.all()
    serializer_class = InboxSerializer
    needs = {"add": Role.EDITOR, "revoke": Role.EDITOR}

    @extend_schema(
        operation_id="inboxes_auths_list",
        summary="What opens it",
        description="Also what was revoked or has expired. Secrets are not told.",
        tags=["inboxes"],
        responses={200: AuthListSerializer, **not_found},
    )
    def auths(self, request: Request, id: str) -> Response:
        rows = InboxAuth.objects.filter(inbox=self.get_object()).order_by("-pk")[:MOST_AUTHS]
        return page_response(list(AuthSerializer(rows, many=True).data), None)

    @extend_schema(
        operation_id="inboxes_auths_create",
        summary="Add something that opens it",
        description="The answer holds the secret, this once. What there was stays valid, so that senders can change "
        "over: add the new one, let them use it, revoke the old one.",
        tags=["inboxes"],
        request=AuthMakeSerializer,
        responses={201: AuthMadeSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample("A key", value={"name": "CommCare forwarding"}, request_only=True),
            OpenApiExample(
                "A user", value={"kind": "basic", "name": "DHIS2", "username": "dhis2"}, request_only=True
            ),
            OpenApiExample("Signatures", value={"kind": "hmac", "name": "Payments"}, request_only=True),
        ],
    )
    def add(self, request: Request, id: str) -> Response:
        values = self.given(AuthMakeSerializer)
        inbox = self.get_object()
        make: Any = _MAKERS[values.pop("kind")]
        auth, secret = make(inbox=inbox, by=self.actor, **values)
        told = AuthMadeSerializer(auth, context={"secret": secret}).data
        where = reverse("api-inbox-auth", kwargs={"id": inbox.pk, "auth": auth.pk})
        return Response(told, status=201, headers={"Location": where, "Cache-Control": "no-store"})

    @extend_schema(
        operation_id="inboxes_auths_retrieve",
        summary="One of them",
        tags=["inboxes"],
        parameters=[OpenApiParameter("auth", str, OpenApiParameter.PATH, description="Its id.")],
        responses={200: AuthSerializer, **not_found},
    )
    def auth(self, request: Request, id: str, auth: str) -> Response:
        return Response(AuthSerializer(self._auth(auth)).data)

    @extend_schema(
        operation_id="inboxes_auths_revoke",
        summary="Revoke it",
        description="Messages that come with it are refused from now on. This cannot be undone.",
        tags=["inboxes"],
        parameters=[OpenApiParameter("auth", str, OpenApiParameter.PATH, description="Its id.")],
        responses={204: None, **not_found, **not_now},
    )
    def revoke(self, request: Request, id: str, auth: str) -> Response:
        inbox_key_revoke(key=self._auth(auth), by=self.actor)
        return Response(status=204)

    def _auth(self, text: str) -> InboxAuth:
        key = as_uuid(text)
        rows = InboxAuth.objects.filter(inbox=self.get_object()).select_related("inbox", "project")
        found = rows.filter(pk=key).first() if key is not None else None
        if found is None:
            raise NotFound()
        return found

    @extend_schema(
        operation_id="inboxes_refusals",
        summary="What it refused lately",
        description="Without bodies; what was refused is not kept.",
        tags=["inboxes"],
        responses={200: InboxRefusalsSerializer, **not_found},
    )
    def refusals(self, request: Request, id: str) -> Response:
        inbox = self.get_object()
        since = timezone.now() - LATELY
        counts = inbox.refusal_counts.filter(hour__gte=since).order_by("-hour", "-count")[:MOST_COUNTS]
        return Response(
            {
                "results": InboxRefusalSerializer(inbox.refusals.order_by("-id")[:KEPT], many=True).data,
                "hours": InboxRefusalCountSerializer(counts, many=True).data,
                "next": None,
            }
        )

"""Reading triggers."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin

from openfn_platform.common.parameters import of_flag, of_id_or_key, of_words
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found
from triggers.api.serializers import TriggerSerializer
from triggers.models import Trigger, TriggerKind


@extend_schema_view(
    list=extend_schema(summary="Triggers", tags=["triggers"]),
    retrieve=extend_schema(
        summary="One trigger", tags=["triggers"], responses={200: TriggerSerializer, **not_found}
    ),
)
class TriggerViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Trigger]):
    queryset = Trigger.objects.select_related("project")
    loads = {"jobs": lambda rows: rows.prefetch_related("trigger_jobs")}
    volatile = frozenset({"next_slot_at"})
    serializer_class = TriggerSerializer
    parameters = (
        of_id_or_key("workflow", "Triggers of this workflow, by id or key.", path="workflow"),
        of_words("kind", "Of this kind.", path="kind", words=TriggerKind.values),
        of_flag("enabled", "Only those that are on, or only those that are off.", path="enabled"),
        of_flag(
            "archived",
            "Those that were put away instead of those in use.",
            path="archived_at__isnull",
            reverse=True,
            usual="false",
        ),
    )

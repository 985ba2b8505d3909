"""Every address of the platform. No logic here."""

from django.contrib import admin
from django.urls import path

from runs.intake import InboxView, MessageStatusView

urlpatterns = [
    path("inbox/<str:address>", InboxView.as_view(), name="inbox"),
    path("inbox/<str:address>/messages/<str:message>", MessageStatusView.as_view(), name="inbox-message"),
    path("admin/", admin.site.urls),
]

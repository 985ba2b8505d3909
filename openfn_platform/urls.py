"""Every address of the platform. No logic here."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from runs.intake import InboxView, MessageStatusView

urlpatterns = [
    path(
        "", RedirectView.as_view(pattern_name="admin:index", http_method_names=["get", "head"]), name="home"
    ),
    path("inbox/<str:address>", InboxView.as_view(), name="inbox"),
    path("inbox/<str:address>/messages/<str:message>", MessageStatusView.as_view(), name="inbox-message"),
    path("api/v1/", include("openfn_platform.projects.api.urls")),
    path("api/v1/", include("jobs.api.urls")),
    path("api/v1/", include("triggers.api.urls")),
    path("api/v1/", include("runs.api.urls")),
    path("admin/adaptors/", include("jobs.admin.urls")),
    path("admin/", include("openfn_platform.workspace.accounts.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "openfn_platform.common.problem_pages.bad_request"
handler404 = "openfn_platform.common.problem_pages.page_not_found"
handler500 = "openfn_platform.common.problem_pages.server_error"

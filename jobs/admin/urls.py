"""Addresses of pages that belong to no table, below /admin/adaptors/."""

from django.contrib import admin
from django.urls import path

from jobs.admin.adaptor_pages import adaptor_list, adaptor_page

urlpatterns = [
    path("", admin.site.admin_view(adaptor_list), name="adaptors"),
    path("<str:name>/", admin.site.admin_view(adaptor_page), name="adaptor"),
]

"""Django app "local"."""

from django.apps import AppConfig


class LocalConfig(AppConfig):
    name = "openfn_platform.local"
    label = "local"

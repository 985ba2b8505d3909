"""Django app "demo"."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "openfn_platform.demo"
    label = "demo"

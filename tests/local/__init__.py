"""Tests of what `manage.py up` and `manage.py test` stand on."""

"""The helpers that every job has in scope: `dates`, `csv`, `phones`, `chunks`, `groups`, `jsonpath`."""

from jobs.adaptors.common import csv, dates, phones
from jobs.adaptors.common.lists import chunks, groups
from jobs.adaptors.common.paths import jsonpath

__all__ = ["chunks", "csv", "dates", "groups", "jsonpath", "phones"]

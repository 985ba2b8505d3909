"""Admin pages that show several floors at once, and the pages of other packages that we do not want.

An app's own pages live in the app. What needs to look up from there (a job's runs, a workflow's triggers) is
registered here, as a subclass of the app's page.
"""

from openfn_platform.workspace.admin import clock, foreign, job, person, trigger, workflow

__all__ = ["clock", "foreign", "job", "person", "trigger", "workflow"]

"""No row of these tables can point into another project (see `openfn_platform.common.tenancy`)."""

from django.db import migrations

from openfn_platform.common.tenancy import TenantConstraint


class Migration(migrations.Migration):
    dependencies = [("triggers", "0001_triggers_inboxes_messages")]

    operations = [
        TenantConstraint("inbox", "trigger_id", "trigger"),
        TenantConstraint("inbox_auth", "inbox_id", "inbox"),
        TenantConstraint("refusal_count", "inbox_id", "inbox"),
        TenantConstraint("refusal", "inbox_id", "inbox"),
        TenantConstraint("message", "inbox_id", "inbox"),
        TenantConstraint("idempotency_key", "inbox_id", "inbox"),
        TenantConstraint("slot", "trigger_id", "trigger"),
        TenantConstraint("trigger", "workflow_id", "workflow"),
        TenantConstraint("trigger", "upstream_id", "job"),
        TenantConstraint("trigger_job", "trigger_id", "trigger"),
        TenantConstraint("trigger_job", "job_id", "job"),
        TenantConstraint("trigger_revision", "trigger_id", "trigger"),
    ]

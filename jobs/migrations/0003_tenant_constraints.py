"""No row of these tables can point into another project (see `openfn_platform.common.tenancy`)."""

from django.db import migrations

from openfn_platform.common.tenancy import TenantConstraint


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_people_and_keys")]

    operations = [
        TenantConstraint("job", "workflow_id", "workflow"),
        TenantConstraint("job", "live_version_id", "job_version"),
        TenantConstraint("job", "latest_version_id", "job_version"),
        TenantConstraint("job_version", "job_id", "job"),
        TenantConstraint("job_connection", "version_id", "job_version"),
        TenantConstraint("job_connection", "credential_id", "project_credential"),
    ]

"""No row of these tables can point into another project (see `openfn_platform.common.tenancy`)."""

from django.db import migrations

from openfn_platform.common.tenancy import TenantConstraint


class Migration(migrations.Migration):
    dependencies = [("runs", "0001_work_orders_runs_states")]

    operations = [
        # The platform compresses states itself (zstd); compressing them again would only cost time.
        migrations.RunSQL(
            'ALTER TABLE "state" ALTER COLUMN "body" SET STORAGE EXTERNAL', migrations.RunSQL.noop
        ),
        # Nobody may write a final state over: `runs/lifecycle.py` asks nicely, this insists.
        migrations.RunSQL(
            sql="""
            CREATE FUNCTION run_final_states_stay() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'run % is % and stays so', OLD.id, OLD.state USING ERRCODE = 'check_violation';
            END $$;
            CREATE TRIGGER run_final_states_stay BEFORE UPDATE OF state ON run FOR EACH ROW
            WHEN (OLD.state <> NEW.state
                  AND OLD.state IN ('success','failed','crashed','killed','exception','cancelled','skipped','lost'))
            EXECUTE FUNCTION run_final_states_stay();
            """,
            reverse_sql="DROP TRIGGER run_final_states_stay ON run; DROP FUNCTION run_final_states_stay();",
        ),
        TenantConstraint("connection_hold", "credential_id", "project_credential"),
        TenantConstraint("incident", "job_id", "job"),
        TenantConstraint("notification", "incident_id", "incident"),
        TenantConstraint("once_mark", "work_order_id", "work_order"),
        TenantConstraint("once_mark", "job_id", "job"),
        TenantConstraint("once_mark", "run_id", "run"),
        TenantConstraint("memory", "trigger_id", "trigger"),
        TenantConstraint("memory", "job_id", "job"),
        TenantConstraint("memory_value", "memory_id", "memory"),
        TenantConstraint("memory_value", "run_id", "run"),
        TenantConstraint("run", "workflow_id", "workflow"),
        TenantConstraint("run", "work_order_id", "work_order"),
        TenantConstraint("run", "job_id", "job"),
        TenantConstraint("run", "job_version_id", "job_version"),
        TenantConstraint("run", "trigger_id", "trigger"),
        TenantConstraint("run", "parent_id", "run"),
        TenantConstraint("run", "retry_of_id", "run"),
        TenantConstraint("run", "root_id", "run"),
        TenantConstraint("run", "incident_id", "incident"),
        TenantConstraint("work_order", "workflow_id", "workflow"),
        TenantConstraint("work_order", "message_id", "message"),
        TenantConstraint("work_order", "slot_id", "slot"),
        TenantConstraint("work_order", "resend_of_id", "work_order"),
    ]

"""The claim: a function in the database, because it must lock first and count in snapshots taken after the lock.

Fair between projects (least recently served first), then priority, then order of arrival inside the project;
never more than the project's and the job's limits; a job with `max_concurrency = 1` strictly in order of `lane`.

* One advisory lock per project and transaction, tried and (but for a single busy project) never waited for:
  waiting after a tried lock deadlocks. A project that another claimer has is passed over, and an answer without a run says that somebody was.
* Each statement of a VOLATILE function takes a new snapshot, so the counts are true after the lock.
* Fast path: the first candidates of the project in order; nearly always one of them may run. Only when
  all are blocked by limits, holds or lanes, each job's own head is probed.
* A connection whose credential was never seen to work (`unproven`), or that comes back from a hold (`warming`),
  narrows the limit of the jobs that use it to one or five at once; a held one lets only probes through.
"""

from django.db import migrations

CLAIM = """
CREATE FUNCTION run_claim(p_worker text, p_lease interval)
RETURNS TABLE (run_id uuid, claim_token uuid, config_version bigint) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    place record;
    places refcursor;
    busy uuid[];
    chosen uuid;
    in_use int;
    any_contended boolean := false;
    new_token uuid;
BEGIN
    -- A claim that a crash of the database forgets leaves the run available, and its worker finds its token gone
    -- when it wants to start: nothing is lost by not waiting for the disk. The start itself waits.
    PERFORM set_config('synchronous_commit', 'off', true);
    WITH RECURSIVE found AS (
        (SELECT r.project_id, 1 AS number FROM run r WHERE r.state = 'available' ORDER BY r.project_id LIMIT 1)
        UNION ALL
        SELECT (SELECT r.project_id FROM run r
                WHERE r.state = 'available' AND r.project_id > f.project_id
                ORDER BY r.project_id LIMIT 1), f.number + 1
        FROM found f WHERE f.project_id IS NOT NULL AND f.number <= 16)
    SELECT array_agg(f.project_id) INTO busy FROM found f WHERE f.project_id IS NOT NULL;
    IF busy IS NULL THEN
        RETURN;
    ELSIF cardinality(busy) <= 16 THEN
        OPEN places FOR
            SELECT p.id, p.max_concurrency, p.config_version
            FROM project p LEFT JOIN project_turn t ON t.project_id = p.id
            WHERE p.id = ANY(busy) AND p.archived_at IS NULL
            ORDER BY t.last_served NULLS FIRST, p.id;
    ELSE  -- too many to look at each: in order of their turns, until one has something to do
        OPEN places FOR
            SELECT o.* FROM (
                SELECT p.id, p.max_concurrency, p.config_version
                FROM project p LEFT JOIN project_turn t ON t.project_id = p.id
                WHERE p.archived_at IS NULL ORDER BY t.last_served NULLS FIRST, p.id OFFSET 0) o
            WHERE (SELECT true FROM run r WHERE r.project_id = o.id AND r.state = 'available' LIMIT 1);
    END IF;
    LOOP
        FETCH places INTO place;
        EXIT WHEN NOT FOUND;
        -- A look without the lock: a project that is full need not be queued for.
        SELECT count(*) INTO in_use FROM run r
        WHERE r.project_id = place.id AND r.state IN ('claimed', 'started');
        CONTINUE WHEN in_use >= place.max_concurrency;
        IF cardinality(busy) = 1 THEN  -- holding no other lock, so waiting cannot deadlock
            PERFORM pg_advisory_xact_lock(hashtextextended(place.id::text, 4711));
        ELSIF NOT pg_try_advisory_xact_lock(hashtextextended(place.id::text, 4711)) THEN
            any_contended := true;
            CONTINUE;
        END IF;
        SELECT count(*) INTO in_use FROM run r
        WHERE r.project_id = place.id AND r.state IN ('claimed', 'started');
        CONTINUE WHEN in_use >= place.max_concurrency;

        WITH careful AS MATERIALIZED (
            SELECT c.version_id, bool_or(h.stage = 'held') AS held,
                   min(CASE WHEN h.stage = 'warming' THEN 5 ELSE 1 END) AS at_once
            FROM connection_hold h
            JOIN job_connection c ON c.credential_id = h.credential_id
            WHERE h.project_id = place.id AND (h.stage <> 'open' OR h.auth_failures > 0)
            GROUP BY c.version_id),
        first AS MATERIALIZED (
            SELECT f.* FROM (VALUES (0), (1), (2)) AS level(priority)
            CROSS JOIN LATERAL (
                SELECT r.id, r.job_id, r.priority, r.run_at, r.lane, r.probe FROM run r
                WHERE r.project_id = place.id AND r.state = 'available'
                  AND r.priority = level.priority AND r.run_at <= statement_timestamp()
                ORDER BY r.run_at, r.lane LIMIT 16) f)
        SELECT f.id INTO chosen
        FROM first f CROSS JOIN LATERAL (  -- by its key: a join hashes all jobs for a handful of candidates
            SELECT * FROM job WHERE job.id = f.job_id OFFSET 0) j
        LEFT JOIN careful c ON c.version_id = j.live_version_id
        WHERE (f.probe OR (j.state = 'on' AND c.held IS NOT TRUE))
          AND (least(j.max_concurrency, c.at_once) IS NULL OR least(j.max_concurrency, c.at_once) > (
               SELECT count(*) FROM run a WHERE a.project_id = place.id AND a.job_id = f.job_id
               AND a.state IN ('claimed', 'started')))
          AND (j.max_concurrency IS DISTINCT FROM 1 OR NOT EXISTS (
               SELECT 1 FROM run q WHERE q.project_id = place.id AND q.job_id = f.job_id
               AND q.state = 'available' AND q.lane < f.lane
               AND (NOT j.retry_frees_lane OR q.run_at <= statement_timestamp())))
        ORDER BY f.priority, f.run_at, f.lane LIMIT 1;

        IF chosen IS NULL THEN
            WITH careful AS MATERIALIZED (
                SELECT c.version_id, bool_or(h.stage = 'held') AS held,
                       min(CASE WHEN h.stage = 'warming' THEN 5 ELSE 1 END) AS at_once
                FROM connection_hold h
                JOIN job_connection c ON c.credential_id = h.credential_id
                WHERE h.project_id = place.id AND (h.stage <> 'open' OR h.auth_failures > 0)
                GROUP BY c.version_id),
            active AS MATERIALIZED (
                SELECT a.job_id, count(*) AS n FROM run a
                WHERE a.project_id = place.id AND a.state IN ('claimed', 'started') GROUP BY a.job_id),
            ready AS MATERIALIZED (
                SELECT j.id, j.max_concurrency, j.retry_frees_lane,
                       j.state = 'on' AND c.held IS NOT TRUE AS open
                FROM job j LEFT JOIN active a ON a.job_id = j.id
                LEFT JOIN careful c ON c.version_id = j.live_version_id
                WHERE j.project_id = place.id
                  AND (least(j.max_concurrency, c.at_once) IS NULL
                       OR least(j.max_concurrency, c.at_once) > coalesce(a.n, 0)))
            SELECT h.id INTO chosen FROM ready j
            CROSS JOIN LATERAL (
                (SELECT r.id, r.priority, r.run_at, r.lane
                 FROM (VALUES (0), (1), (2)) AS level(priority)
                 CROSS JOIN LATERAL (
                    SELECT q.id, q.priority, q.run_at, q.lane FROM run q
                    WHERE j.open AND j.max_concurrency IS DISTINCT FROM 1
                      AND q.project_id = place.id AND q.job_id = j.id AND q.state = 'available'
                      AND q.priority = level.priority AND q.run_at <= statement_timestamp()
                    ORDER BY q.run_at, q.lane LIMIT 1) r
                 ORDER BY r.priority LIMIT 1)
                UNION ALL
                (SELECT r.id, r.priority, r.run_at, r.lane FROM (
                    SELECT q.id, q.priority, q.run_at, q.lane FROM run q
                    WHERE j.open AND j.max_concurrency = 1
                      AND q.project_id = place.id AND q.job_id = j.id AND q.state = 'available'
                      AND (NOT j.retry_frees_lane OR q.run_at <= statement_timestamp())
                    ORDER BY q.lane LIMIT 1) r
                 WHERE r.run_at <= statement_timestamp())
                UNION ALL
                (SELECT q.id, q.priority, q.run_at, q.lane FROM run q
                 WHERE NOT j.open AND q.project_id = place.id AND q.job_id = j.id
                   AND q.state = 'available' AND q.probe AND q.run_at <= statement_timestamp()
                 ORDER BY q.lane LIMIT 1)) h
            ORDER BY h.priority, h.run_at, h.lane LIMIT 1;
        END IF;
        CONTINUE WHEN chosen IS NULL;

        new_token := gen_random_uuid();
        UPDATE run r SET state = 'claimed', worker = p_worker, token = new_token,
            lease_until = clock_timestamp() + p_lease, claimed_at = clock_timestamp(),
            claims = r.claims + 1, waits_for = ''
        WHERE r.id = chosen AND r.state = 'available';
        IF NOT FOUND THEN  -- cancelled between the look and the update
            any_contended := true;
            CONTINUE;
        END IF;
        INSERT INTO project_turn (project_id, last_served) VALUES (place.id, clock_timestamp())
        ON CONFLICT (project_id) DO UPDATE SET last_served = excluded.last_served;
        RETURN QUERY SELECT chosen, new_token, place.config_version;
        RETURN;
    END LOOP;
    IF any_contended THEN
        RETURN QUERY SELECT NULL::uuid, NULL::uuid, NULL::bigint;
    END IF;
END $$
"""

# Columns that Django fills in Python also have defaults in the database: the inbox inserts a message with all
# that it starts in one statement of plain SQL.
DEFAULTS = {
    "run": {
        "matched_triggers": "'{}'",
        "retry_kind": "''",
        "depth": "0",
        "mode": "'live'",
        "attempt": "1",
        "priority": "1",
        "order_key": "''",
        "state": "'available'",
        "worker": "''",
        "claims": "0",
        "probe": "false",
        "waits_for": "''",
        "confinement": "''",
        "error_type": "''",
        "error_message": "''",
        "note": "''",
        "problems": "'[]'",
        "problem_count": "0",
        "handled": "false",
        "dismissed_reason": "''",
        "log_lines": "0",
        "log_dropped": "0",
    },
    "work_order": {"state": "'pending'"},
    "message": {"sender_key": "''", "matched": "false", "matching": "'[]'"},
    "state": {"name": "''", "codec": "'raw'"},
}

# Inboxes and workers cache keys, triggers, jobs and settings per process and look at one number to know that
# they still hold.
CONFIG_VERSION = """
CREATE FUNCTION project_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE project SET config_version = config_version + 1 WHERE id = OLD.project_id;
        RETURN OLD;
    END IF;
    UPDATE project SET config_version = config_version + 1 WHERE id = NEW.project_id;
    RETURN NEW;
END $$;
CREATE TRIGGER config_changed AFTER INSERT OR DELETE
    OR UPDATE OF enabled, revision, criteria, archived_at, settings, condition, event, upstream_id, upstream_scope,
                 time_zone, keeps_whole_state, workflow_id, name ON trigger
    FOR EACH ROW EXECUTE FUNCTION project_config_changed();
CREATE TRIGGER config_changed AFTER INSERT OR DELETE OR UPDATE ON trigger_job
    FOR EACH ROW EXECUTE FUNCTION project_config_changed();
CREATE TRIGGER config_changed AFTER INSERT OR DELETE OR UPDATE ON workflow
    FOR EACH ROW EXECUTE FUNCTION project_config_changed();
CREATE TRIGGER config_changed AFTER INSERT OR DELETE OR UPDATE ON job
    FOR EACH ROW EXECUTE FUNCTION project_config_changed();
CREATE FUNCTION project_itself_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW IS DISTINCT FROM OLD AND NEW.config_version = OLD.config_version THEN
        NEW.config_version := OLD.config_version + 1;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER config_changed BEFORE UPDATE ON project
    FOR EACH ROW EXECUTE FUNCTION project_itself_changed();
CREATE TRIGGER config_changed AFTER INSERT OR DELETE
    OR UPDATE OF access, duplicate_path, enabled, archived_at, trigger_id ON inbox
    FOR EACH ROW EXECUTE FUNCTION project_config_changed();
CREATE TRIGGER config_changed AFTER INSERT OR DELETE OR UPDATE OF digest, expires_at, revoked_at ON inbox_auth
    FOR EACH ROW EXECUTE FUNCTION project_config_changed();
"""
NO_CONFIG_VERSION = "".join(
    f"DROP TRIGGER config_changed ON {table};"
    for table in ("trigger", "trigger_job", "workflow", "job", "inbox", "inbox_auth", "project")
)


class Migration(migrations.Migration):
    dependencies = [("runs", "0002_tenant_constraints"), ("triggers", "0002_tenant_constraints")]

    operations = [
        migrations.RunSQL(CLAIM, "DROP FUNCTION run_claim(text, interval)"),
        *(
            migrations.RunSQL(
                f'ALTER TABLE "{table}" ALTER COLUMN "{column}" SET DEFAULT {value}',
                f'ALTER TABLE "{table}" ALTER COLUMN "{column}" DROP DEFAULT',
            )
            for table, columns in DEFAULTS.items()
            for column, value in columns.items()
        ),
        migrations.RunSQL(
            CONFIG_VERSION,
            NO_CONFIG_VERSION
            + "DROP FUNCTION project_config_changed(); DROP FUNCTION project_itself_changed();",
        ),
    ]

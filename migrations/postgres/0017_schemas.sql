-- Makes the partition of a day (since 1970), unless it is there or far away. Looked for in the
-- schema of events alone: another schema of search_path may have one of this name.
CREATE OR REPLACE FUNCTION kanchi_events_day(day BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    part  TEXT := 'events_' || day;
    today BIGINT := extract(epoch FROM now())::bigint / 86400;
    own   TEXT;
BEGIN
    IF kanchi_events_hyper() OR day < today - 400 OR day > today + 2 THEN
        RETURN;
    END IF;
    SELECT nspname INTO own FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = 'events'::regclass;
    IF to_regclass(format('%I.%I', own, part)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock('events'::regclass::oid::int4, 0);
    IF to_regclass(format('%I.%I', own, part)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I.%I (LIKE events INCLUDING ALL)', own, part);
    EXECUTE format('ALTER TABLE events ATTACH PARTITION %I.%I FOR VALUES FROM (%s) TO (%s)', own,
                   part, day * 86400000000, (day + 1) * 86400000000);
EXCEPTION WHEN check_violation THEN
    RETURN;
END $$;

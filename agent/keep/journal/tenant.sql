-- Sets a label of a tenant's own; takes it away where the value is NULL.
CREATE OR REPLACE FUNCTION skein.label_put(in_tenant text, in_key text, in_value text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    DELETE FROM skein.label l WHERE l.tenant = in_tenant AND l.key = in_key AND in_value IS NULL;
    INSERT INTO skein.label (tenant, key, value)
        SELECT in_tenant, in_key, in_value WHERE in_value IS NOT NULL
        ON CONFLICT (tenant, key) DO UPDATE SET value = excluded.value;
$skein$;

-- Who works on a tenant holds this advisory lock, shared, until its transaction ends: a label by
-- which skein.task_settle finds the backend. It keeps nobody out.
CREATE OR REPLACE FUNCTION skein.task_label(in_tenant text, in_set text) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT hashtextextended(in_tenant || '/' || in_set, 6006613437391790697)
$skein$;

-- Hooks of a tenant stand among the operations of the migration that they come before, or after.
-- `rollout` is then the one in which it was begun last: each rollout does it anew.
CREATE OR REPLACE FUNCTION skein.is_hook(in_operation text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT in_operation IN ('before_tenant', 'after_tenant')
$skein$;

-- Whether the schema holds anything; what extensions brought does not count.
CREATE OR REPLACE FUNCTION skein.schema_has_objects(in_namespace oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT EXISTS (
        SELECT FROM pg_depend d
         WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = in_namespace
           AND d.deptype = 'n' AND d.classid <> 'pg_extension'::regclass
           AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid
                              AND e.objid = d.objid AND e.deptype = 'e'))
$skein$;

-- Whether a tenant's row is that of another schema of its name, which was dropped: the schema has
-- been made anew in the same database, and nothing is in it yet. (In another database it was
-- restored from a dump, and the row with it; if it holds something, the row is believed.)
CREATE OR REPLACE FUNCTION skein.row_is_old(
    in_database oid, in_schema oid, in_namespace oid
) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    IF in_schema IS NULL OR in_schema = in_namespace THEN
        RETURN false; -- nearly always: no query
    END IF;
    RETURN in_database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
           AND NOT skein.schema_has_objects(in_namespace);
END
$skein$;

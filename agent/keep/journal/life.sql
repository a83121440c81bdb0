-- A tenant that one transaction makes, and the end of one: what `tenant create` and `tenant drop` do in
-- the transaction of their task.
CREATE OR REPLACE FUNCTION skein.task_create(
    in_tenant text, in_set text, in_rollout text, in_target text, in_token bigint, in_schema text,
    in_keys text[], in_values text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    namespace oid;
    row_version text;
    row_rollout text;
    row_fence bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(skein.task_label(in_tenant, in_set));
    PERFORM pg_advisory_xact_lock(skein.task_label(in_tenant, ''));
    INSERT INTO skein.tenant (tenant, set_name) VALUES (in_tenant, in_set) ON CONFLICT DO NOTHING;
    SELECT t.version, t.rollout, t.fence INTO row_version, row_rollout, row_fence
      FROM skein.tenant t WHERE t.tenant = in_tenant AND t.set_name = in_set FOR UPDATE;
    namespace := to_regnamespace(quote_ident(in_schema));
    IF row_fence > in_token THEN
        RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
            format('the task''s token %s is older than %s, which already wrote to this tenant',
                   in_token, row_fence);
    END IF;
    IF namespace IS NOT NULL AND row_version = in_target AND row_rollout = in_rollout THEN
        RAISE EXCEPTION USING ERRCODE = 'SK007', MESSAGE = 'this rollout has already done it';
    END IF;
    IF namespace IS NOT NULL AND skein.making_state(in_tenant, in_schema) = 'half' THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', in_schema); -- of a rollout that has ended
        PERFORM skein.making_gone(in_tenant, in_rollout, in_token);
    ELSIF namespace IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SK009', MESSAGE =
            format('the schema %I is there already', in_schema),
            HINT = 'If it is to be a tenant, a rollout or a baseline takes it up as it is.';
    END IF;
    EXECUTE format('CREATE SCHEMA %I', in_schema);
    PERFORM skein.making_forget(in_tenant);
    INSERT INTO skein.label (tenant, key, value)
        SELECT in_tenant, u.key, u.value FROM unnest(in_keys, in_values) AS u(key, value);
END
$skein$;

-- Drops a tenant's schema, in two steps with the DROP SCHEMA between them, all in one transaction.
-- The first locks every row of the tenant and raises SK002; the second leaves them without a
-- version: their fences keep late tries out of whatever is made under this name.
CREATE OR REPLACE FUNCTION skein.task_drop_begin(
    in_tenant text, in_set text, in_token bigint
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    row_fence bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(skein.task_label(in_tenant, in_set));
    PERFORM pg_advisory_xact_lock(skein.task_label(in_tenant, ''));
    INSERT INTO skein.tenant (tenant, set_name) VALUES (in_tenant, in_set) ON CONFLICT DO NOTHING;
    FOR row_fence IN SELECT t.fence FROM skein.tenant t WHERE t.tenant = in_tenant
                      ORDER BY t.set_name FOR UPDATE LOOP
        IF row_fence > in_token THEN
            RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
                format('the task''s token %s is older than %s, which already wrote to this tenant',
                       in_token, row_fence);
        END IF;
    END LOOP;
END
$skein$;

CREATE OR REPLACE FUNCTION skein.task_drop_end(
    in_tenant text, in_rollout text, in_token bigint
) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    UPDATE skein.tenant t
       SET version = NULL, rollout = in_rollout, fence = in_token, repeatables = NULL,
           undone = NULL, database_oid = NULL, schema_oid = NULL, updated_at = clock_timestamp()
     WHERE t.tenant = in_tenant;
    DELETE FROM skein.operation o WHERE o.tenant = in_tenant;
    DELETE FROM skein.label l WHERE l.tenant = in_tenant;
$skein$;

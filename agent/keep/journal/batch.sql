-- Of a batch (a backfill in chunks, each a transaction). A standby that has not replayed `in_mark`
-- yet: '' for none, or where nobody may look. One that is only archived to, or has gone away, is
-- not waited for.
CREATE OR REPLACE FUNCTION skein.batch_behind(in_mark text) RETURNS text
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT coalesce(min(left(coalesce(nullif(r.application_name, ''), r.client_addr::text, '?'),
                             100)), '')
      FROM pg_stat_replication r
     WHERE in_mark <> '' AND r.state IN ('streaming', 'catchup')
       AND r.replay_lsn < nullif(in_mark, '')::pg_lsn
$skein$;

-- Ends a chunk inside its transaction: the operation's row must have been written by this very
-- transaction, with this number, or the chunk would not count and be done again (SK006). Says how
-- many keys are done, which one was the last, whether somebody waits for rows that the chunk has
-- locked, which standby is behind `in_mark`, and how far the WAL is.
CREATE OR REPLACE FUNCTION skein.batch_end(
    in_tenant text, in_set text, in_script text, in_operation text, in_chunk bigint, in_mark text,
    OUT out_keys bigint, OUT out_key jsonb, OUT out_waiting boolean, OUT out_behind text,
    OUT out_wal text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    SELECT (o.place->>'rows')::bigint, o.place->'key' INTO out_keys, out_key
      FROM (SELECT CASE direction WHEN 'up' THEN position ELSE undone END AS place
              FROM skein.operation
             WHERE tenant = in_tenant AND set_name = in_set AND script = in_script
               AND operation = in_operation AND xmin = pg_current_xact_id()::xid) AS o
     WHERE (o.place->>'chunks')::bigint = in_chunk;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            format('how far %s of %s is could not be stored', in_operation, in_script);
    END IF;
    IF length(out_key::text) > 65536 THEN
        RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE =
            'a key of the batch has more than 64 KiB';
    END IF;
    out_waiting := EXISTS (SELECT FROM pg_locks l
                            WHERE l.locktype = 'transactionid' AND NOT l.granted
                              AND l.transactionid = pg_current_xact_id()::xid);
    out_behind := skein.batch_behind(in_mark);
    out_wal := pg_current_wal_insert_lsn()::text;
END
$skein$;

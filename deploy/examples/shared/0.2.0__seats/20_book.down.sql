-- skein:scope control
DELETE FROM seats
 WHERE tenant = current_setting('skein.shard') || '/' || current_setting('skein.tenant');

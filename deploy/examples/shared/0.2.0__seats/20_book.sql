-- skein:scope control
-- Runs in the control database, once for each tenant, whose name the two settings tell.
INSERT INTO seats (tenant, plan)
VALUES (current_setting('skein.shard') || '/' || current_setting('skein.tenant'), 'basic');

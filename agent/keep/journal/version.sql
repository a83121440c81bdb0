INSERT INTO skein.meta (version) SELECT 4 WHERE NOT EXISTS (SELECT FROM skein.meta);
UPDATE skein.meta SET version = 4, upgraded_at = now() WHERE version < 4;
COMMIT;

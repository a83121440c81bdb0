INSERT INTO skein.meta (version) SELECT 5 WHERE NOT EXISTS (SELECT FROM skein.meta);
UPDATE skein.meta SET version = 5, upgraded_at = now() WHERE version < 5;
COMMIT;

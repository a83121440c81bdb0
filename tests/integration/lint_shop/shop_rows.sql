INSERT INTO "User" ("email", "displayName", "teamId") SELECT 'e' || n, 'n', n FROM generate_series(1, 1500) n;
INSERT INTO "Post" SELECT 'p' || n, 't' || n, 'b', n, n, '{}' FROM generate_series(1, 1500) n;
INSERT INTO products SELECT n, 's' || n, 'name' || n, 'd' || n, n, 1.5, n, 1.5, B'00000001', B'1', '{}', '{a}', '{c}',
    '2024-01-01', now(), now(), '1 s', '1 s', 'red', 'new', 'a@b', n, 'l' || n, 'ci' || n, '(s,c)',
    '10.0.0.0/8', 1, 'x', gen_random_uuid(), '10:00', 5, 'k', 'k', 'm' FROM generate_series(1, 1500) n;
INSERT INTO clients (id, full_name, mail, phone, birthday, referrer, manager_id, notes)
    SELECT n, 'f' || n, 'm' || n, 'p' || n, '1990-01-01', NULL, n, 'n' FROM generate_series(1, 1500) n;
INSERT INTO purchases SELECT n, n, n, 'new', n, now(), 'c' FROM generate_series(1, 1500) n;
INSERT INTO lines SELECT n, 1, 1, 1 FROM generate_series(1, 1500) n;
INSERT INTO settings SELECT 'n' || n, 'v' FROM generate_series(1, 1500) n;
INSERT INTO heap_only SELECT n, 'b' || n, n, now() FROM generate_series(1, 1500) n;
INSERT INTO cache SELECT 'k' || n, 'v', now() FROM generate_series(1, 1500) n;
INSERT INTO events SELECT n, '2023-05-05', n, 'k', '{}' FROM generate_series(1, 1500) n;
INSERT INTO events SELECT n, '2024-05-05', n, 'k', '{}' FROM generate_series(1, 1500) n;
INSERT INTO events_2025 SELECT n, '2025-05-05', n, 'k', '{}' FROM generate_series(1, 1500) n;
INSERT INTO events_2026 SELECT n, '2026-05-05', n, 'k', '{}' FROM generate_series(1, 1500) n;
INSERT INTO regions SELECT c, n, 'x' FROM generate_series(1, 1500) n, unnest('{de,us,zz}'::text[]) c;
INSERT INTO regions_jp SELECT 'jp', n, 'x' FROM generate_series(1, 1500) n;
INSERT INTO vehicles SELECT n, 4, 'v' FROM generate_series(1, 1500) n;
INSERT INTO cars SELECT n, 4, 'v', 5 FROM generate_series(1, 1500) n;
INSERT INTO taxis SELECT n, 4, 'v', 5, 'l' FROM generate_series(1, 1500) n;
INSERT INTO boats SELECT n, 0, 'v', 2 FROM generate_series(1, 1500) n;
INSERT INTO items SELECT 's' || n, n FROM generate_series(1, 1500) n;
INSERT INTO bookings SELECT n, int4range(n, n + 1), tsrange(timestamp '2020-01-01' + n * interval '1 day',
    timestamp '2020-01-01' + (n + 1) * interval '1 day'), 1 FROM generate_series(1, 1500) n;
INSERT INTO audit.log (who, what, at) SELECT n, 'w', now() FROM generate_series(1, 1500) n;
INSERT INTO audit.products SELECT n, 's' FROM generate_series(1, 1500) n;
INSERT INTO "Legacy"."Order Items" SELECT n, 1, 's' FROM generate_series(1, 1500) n;
REFRESH MATERIALIZED VIEW sales;
REFRESH MATERIALIZED VIEW audit.log_counts;
ANALYZE;

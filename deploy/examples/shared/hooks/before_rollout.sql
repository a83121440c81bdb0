-- Once for a rollout, in the control database, before the first tenant is changed: support knows.
INSERT INTO maintenance (rollout, target)
VALUES (current_setting('skein.rollout'), current_setting('skein.to'));

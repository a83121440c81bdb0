-- Once, when every tenant is there.
UPDATE maintenance SET ended = now() WHERE rollout = current_setting('skein.rollout');

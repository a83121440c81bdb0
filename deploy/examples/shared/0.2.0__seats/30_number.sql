-- If this fails on a tenant, the seats booked for it are given back.
UPDATE users SET seat = id WHERE seat IS NULL;

CREATE TABLE ${prefix}users (
    id bigint PRIMARY KEY,
    email text
);

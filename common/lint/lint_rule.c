#include "common/lint/lint_rule.h"

#include <assert.h>
#include <string.h>

static const struct lint_rule_text lint_rules[LINT_RULE_COUNT] = {
    [LINT_SET] = { "set", "error", "the folder is no migration set", "Correct what it says." },
    [LINT_SYNTAX] = { "syntax", "error", "PostgreSQL would not read this",
                      "Correct the statement." },
    [LINT_TRANSACTION_CONTROL] = { "transaction-control", "error",
                                   "a script that ends its transaction tears the change from its "
                                   "record",
                                   "Leave BEGIN, COMMIT, ROLLBACK and SAVEPOINT out; skein sets "
                                   "the "
                                   "transaction around the script." },
    [LINT_OUTSIDE_TRANSACTION] = { "outside-transaction", "error",
                                   "outside a transaction nobody could say after a crash what "
                                   "became of it",
                                   "Correct what it says." },
    [LINT_ALLOW] = { "allow", "error", "an exception has to name a rule and a reason",
                     "Write: -- skein:allow RULE why it is safe here" },
    [LINT_TOO_DEEP] = { "too-deep", "error",
                        "the statement is nested deeper than PostgreSQL reads with its default "
                        "stack",
                        "Split the expression, or put the values into a VALUES list." },
    [LINT_POSTGRES_VERSION] = { "postgres-version", "error",
                                "a server of the version that was named does not take this",
                                "Write it in a way that the oldest server knows." },
    [LINT_ADD_COLUMN_REWRITE] = { "add-column-rewrite", "warning",
                                  "every row gets a value of its own, so the table is rewritten "
                                  "while nobody can read or write it",
                                  "Add the column without it, set the default for new rows, and "
                                  "fill the old rows in batches in a later migration." },
    [LINT_ADD_COLUMN_REQUIRED] = { "add-column-required", "warning",
                                   "a NOT NULL column without a default fails on every table that "
                                   "has rows",
                                   "Give it a constant default, or add it nullable, fill it, and "
                                   "set NOT NULL later." },
    [LINT_ADD_COLUMN_CHECK] = { "add-column-check", "warning",
                                "the check is tried on every row while nobody can read or write "
                                "the table",
                                "Add the column first; then the check as NOT VALID, and VALIDATE "
                                "it in a migration of its own." },
    [LINT_ADD_COLUMN_UNIQUE] = { "add-column-unique", "warning",
                                 "an index is built while nobody can read or write the table",
                                 "Add the column first; build the unique index CONCURRENTLY; then "
                                 "ADD CONSTRAINT ... USING INDEX." },
    [LINT_ADD_COLUMN_FOREIGN_KEY] = { "add-column-foreign-key", "warning",
                                      "with a default every row is looked up in the other table "
                                      "while nobody can read or write this one",
                                      "Add the column first; then the foreign key as NOT VALID, "
                                      "and "
                                      "VALIDATE it in a migration of its own." },
    [LINT_COLUMN_TYPE_REWRITE] = { "column-type-rewrite", "warning",
                                   "the new type is stored differently, so the table and its "
                                   "indexes are rewritten while nobody can read or write it",
                                   "Add a column of the new type, keep it filled with a trigger, "
                                   "copy the old rows in batches, and let the application move "
                                   "over." },
    [LINT_COLUMN_TYPE_SCAN] = { "column-type-scan", "warning",
                                "the rows stay, but an index is rebuilt or a check tried again "
                                "while nobody can read or write the table",
                                "Drop the index or the check before, and bring it back afterwards "
                                "CONCURRENTLY or NOT VALID." },
    [LINT_SET_NOT_NULL] = { "set-not-null", "warning",
                            "every row is looked at while nobody can read or write the table",
                            "Add CHECK (column IS NOT NULL) NOT VALID, VALIDATE it in a second "
                            "migration; then SET NOT NULL takes its word." },
    [LINT_DROP_COLUMN] = { "drop-column", "warning",
                           "programs that still name the column fail at once, and what it held is "
                           "gone",
                           "Drop it one release after the last program stopped using it." },
    [LINT_ADD_CHECK] = { "add-check", "warning",
                         "every row is tried while nobody can read or write the table",
                         "Add it as NOT VALID, and VALIDATE it in a migration of its own." },
    [LINT_ADD_FOREIGN_KEY] = { "add-foreign-key", "warning",
                               "every row is looked up in the other table while nobody can write "
                               "to either",
                               "Add it as NOT VALID, and VALIDATE it in a migration of its own." },
    [LINT_ADD_UNIQUE] = { "add-unique", "warning",
                          "an index is built while nobody can read or write the table",
                          "Build a unique index CONCURRENTLY, then ADD CONSTRAINT ... USING "
                          "INDEX." },
    [LINT_ADD_EXCLUDE] = { "add-exclude", "warning",
                           "an index is built while nobody can read or write the table, and there "
                           "is no other way to add such a constraint",
                           "Do it while the table is small, or in a maintenance window." },
    [LINT_PRIMARY_KEY_NULLABLE] = { "primary-key-nullable", "warning",
                                    "a column of the index may be NULL, so every row is looked at "
                                    "while nobody can read or write the table",
                                    "Make the column NOT NULL first (see set-not-null)." },
    [LINT_VALIDATE_IN_TRANSACTION] = { "validate-in-transaction", "warning",
                                       "the lock that added the constraint is still held while its "
                                       "validation reads every row",
                                       "VALIDATE it in a migration that runs in a rollout of its "
                                       "own." },
    [LINT_CREATE_INDEX] = { "create-index", "warning",
                            "nobody can write to the table while the index is built",
                            "CREATE INDEX CONCURRENTLY, in a script outside a transaction." },
    [LINT_DROP_INDEX] = { "drop-index", "warning",
                          "it waits for every query on the table, and every query waits for it",
                          "DROP INDEX CONCURRENTLY, in a script outside a transaction." },
    [LINT_REINDEX] = { "reindex", "warning",
                       "nobody can write to the table, nor use the index, while it is rebuilt",
                       "REINDEX ... CONCURRENTLY, in a script outside a transaction." },
    [LINT_NOT_IN_TRANSACTION] = { "not-in-transaction", "error",
                                  "PostgreSQL refuses this statement inside a transaction",
                                  "Put it into a script of its own that begins with: "
                                  "-- skein:transaction none" },
    [LINT_CLUSTER] = { "cluster", "warning",
                       "the table is rewritten while nobody can read or write it",
                       "Leave it to a maintenance window." },
    [LINT_VACUUM_FULL] = { "vacuum-full", "warning",
                           "the table is rewritten while nobody can read or write it",
                           "Plain VACUUM, or a maintenance window." },
    [LINT_REFRESH_VIEW] = { "refresh-view", "warning",
                            "nobody can read the view while it is filled again",
                            "REFRESH MATERIALIZED VIEW CONCURRENTLY (the view needs a unique "
                            "index)." },
    [LINT_STORAGE] = { "storage", "warning",
                       "the table's files are copied while nobody can read or write it",
                       "Make a new table there and move the rows in batches." },
    [LINT_ATTACH_PARTITION] = { "attach-partition", "warning",
                                "every row of the new partition, or of the default one, is looked "
                                "at under a lock",
                                "Add a CHECK with the partition's bounds as NOT VALID, VALIDATE "
                                "it, attach, then drop the check." },
    [LINT_DETACH_PARTITION] = { "detach-partition", "warning",
                                "it waits for every query on the parent, and every query waits "
                                "for it",
                                "DETACH PARTITION ... CONCURRENTLY, in a script outside a "
                                "transaction." },
    [LINT_CREATE_PARTITION] = { "create-partition", "warning",
                                "PARTITION OF locks the parent for everybody until the commit",
                                "CREATE TABLE ... (LIKE parent INCLUDING ALL), then ATTACH "
                                "PARTITION." },
    [LINT_RENAME] = { "rename", "warning", "programs that use the old name fail at once",
                      "Add the new name beside the old (a view, a second column), move the "
                      "programs, then drop the old one." },
    [LINT_DROP_TABLE] = { "drop-table", "warning",
                          "programs that still use it fail at once, and what it held is gone",
                          "Drop it one release after the last program stopped using it." },
    [LINT_DROP_SCHEMA] = { "drop-schema", "error", "this removes a whole tenant, or what is shared",
                           "Use skein tenant drop, which asks first." },
    [LINT_TRUNCATE] = { "truncate", "warning",
                        "all rows are gone, and it waits for every query on the table while every "
                        "query waits for it",
                        "DELETE in batches: a .batch.sql." },
    [LINT_LOCK_TABLE] = { "lock-table", "warning", "the lock is held until the commit",
                          "Leave the lock to the statement that needs it." },
    [LINT_TRIGGER] = { "trigger", "note",
                       "it waits for every write to the table, and writes wait for it",
                       "Keep it in a short migration of its own." },
    [LINT_DOMAIN] = { "domain", "warning",
                      "every table with a column of this domain is read under a lock that blocks "
                      "writes",
                      "Put checks on the tables, NOT VALID first." },
    [LINT_SEQUENCE] = { "sequence", "note", "nextval() waits until the commit",
                        "Use setval() where only the value has to change." },
    [LINT_NO_WHERE] = { "no-where", "warning",
                        "every row is changed in one transaction: locks, bloat and replica lag",
                        "Change the rows in batches: a .batch.sql." },
    [LINT_MANY_LOCKS] = { "many-locks", "warning",
                          "several tables are locked against everybody until the commit: each "
                          "waits for its turn while those before it stand still",
                          "One table for each migration." },
    [LINT_LONG_WORK] = { "long-work", "warning",
                         "work that grows with the data runs while a lock of an earlier statement "
                         "is still held",
                         "Put the work into a migration of its own, in another rollout." },
    [LINT_ENUM_USE] = { "enum-use", "error",
                        "a value that was added to an enum cannot be used in the same transaction",
                        "Add the value in one migration and use it in a later rollout." },
    [LINT_LOCK_TIMEOUT] = { "lock-timeout", "warning",
                            "skein bounds how long a statement waits for a lock; this takes the "
                            "bound away",
                            "Set -- skein:lock_timeout at the head of the script." },
    [LINT_SEARCH_PATH] = { "search-path", "warning",
                           "skein sets the path to the tenant; another one may hit another tenant",
                           "Name the schema where it has to be another." },
    [LINT_ROLE] = { "role", "warning",
                    "another role owns what is made, and may not see skein's journal",
                    "Let the agent connect as the role that owns the tenant." },
    [LINT_SESSION_STATE] = { "session-state", "warning",
                             "it outlives the transaction and meets the next tenant on this "
                             "connection",
                             "SET LOCAL, or nothing." },
    [LINT_LEAVES_TENANT] = { "leaves-tenant", "warning",
                             "a name with a schema is the same object for every tenant",
                             "Leave the schema out; skein sets the path to the tenant." },
    [LINT_EXTENSION] = { "extension", "warning",
                         "an extension belongs to the database, not to a tenant, and may run any "
                         "code",
                         "Install extensions once for each database, outside migrations." },
    [LINT_CLUSTER_WIDE] = { "cluster-wide", "error",
                            "this changes the whole server, for each tenant again",
                            "Do it once, outside migrations." },
    [LINT_CATALOG_WRITE] = { "catalog-write", "error",
                             "writing to PostgreSQL's own catalog takes no locks and can corrupt "
                             "the database",
                             "Use the ALTER statement that does it." },
    [LINT_OUTSIDE] = { "outside", "error",
                       "this reaches outside the database, where no rollback reaches",
                       "Use an exec operation for work outside the database." },
    [LINT_OPAQUE] = { "opaque", "note", "what the code inside does cannot be seen from outside",
                      "Write the statements out, or look at what --trace reports." },
    [LINT_INT_KEY] = { "int-key", "note",
                       "a key of four bytes or fewer runs out of numbers, and to widen it later "
                       "rewrites its table and looks at every table that points to it",
                       "bigint from the start." },
    [LINT_SERIAL] = { "serial", "note",
                      "its sequence has an owner and grants of its own, and copies of the table "
                      "draw from it",
                      "GENERATED BY DEFAULT AS IDENTITY." },
    [LINT_CHAR_TYPE] = { "char-type", "note",
                         "char(n) stores blanks, and whatever it is changed to later rewrites the "
                         "table",
                         "text, with a CHECK of its length." },
    [LINT_VARCHAR_LENGTH] = { "varchar-length", "note",
                              "another limit later needs ACCESS EXCLUSIVE, a shorter one rewrites "
                              "the table",
                              "text, with a CHECK of its length that can be NOT VALID." },
    [LINT_TIMESTAMP_ZONE] = { "timestamp-zone", "note",
                              "a timestamp without a time zone means another moment in each "
                              "session's zone",
                              "timestamptz." },
    [LINT_JSON_TYPE] = { "json-type", "warning",
                         "json has no equality: SELECT DISTINCT and GROUP BY over the table fail "
                         "as soon as they meet it",
                         "jsonb." },
    [LINT_LONG_NAME] = { "long-name", "warning",
                         "PostgreSQL cuts a name of more than 63 bytes, so that two of them can "
                         "become the same",
                         "Choose a shorter name." },
    [LINT_ENUM_TYPE] = { "enum-type", "note",
                         "a value of an enum can never be taken away, nor moved in the order",
                         "text with a CHECK, or a table of the values." },
    [LINT_ENUM_ORDER] = { "enum-order", "note",
                          "without BEFORE or AFTER the value sorts last, and cannot be moved",
                          "Say where it belongs: ADD VALUE ... AFTER ..." },
    [LINT_DOMAIN_CHECK] = { "domain-check", "note",
                            "to change a domain's check later reads every table that uses it under "
                            "a lock that blocks writes",
                            "Put checks on the tables." },
    [LINT_DROP_NOT_NULL] = { "drop-not-null", "warning",
                             "programs that read the column have never met NULL in it",
                             "Let the programs learn it one release before." },
    [LINT_DROP_CONSTRAINT] = { "drop-constraint", "note",
                               "what it promised is no longer true, and to have it back every row "
                               "has to be looked at",
                               "Add what replaces it first." },
    [LINT_WIDE_INDEX] = { "wide-index", "note",
                          "an index of more than three columns is large, and seldom narrows down "
                          "further",
                          "The columns that tell rows apart best; what is only read along with "
                          "INCLUDE." },
    [LINT_ALTER_AGAIN] = { "alter-again", "note",
                           "two ALTER TABLE of one table in a row: each that looks at the rows "
                           "does it for itself",
                           "Write them as one." },
    [LINT_FOREIGN_KEY_INDEX] = { "foreign-key-index", "warning",
                                 "no index begins with a column of the foreign key: each delete in "
                                 "the other table reads this one from end to end",
                                 "An index on the key's columns." },
    [LINT_ASSIGNED_TWICE] = { "assigned-twice", "error",
                              "PostgreSQL refuses an UPDATE that sets a column twice",
                              "Leave one of the two out." },
    [LINT_TRACE] = { "trace", "warning", "a real server did something else than was foreseen",
                     "Believe the server, and report it: lint should have known." },
    [LINT_TRACE_FAILED] = { "trace-failed", "error", "the scratch database refused it",
                            "Correct the statement; or give --schema what it stands on." },
};

const struct lint_rule_text *lint_rule_text(enum lint_rule rule)
{
    assert(rule < LINT_RULE_COUNT);
    return &lint_rules[rule];
}

static const bool lint_rule_sizes[LINT_RULE_COUNT] = {
    [LINT_ADD_COLUMN_REWRITE] = true,
    [LINT_ADD_COLUMN_CHECK] = true,
    [LINT_ADD_COLUMN_UNIQUE] = true,
    [LINT_ADD_COLUMN_FOREIGN_KEY] = true,
    [LINT_COLUMN_TYPE_REWRITE] = true,
    [LINT_COLUMN_TYPE_SCAN] = true,
    [LINT_SET_NOT_NULL] = true,
    [LINT_ADD_CHECK] = true,
    [LINT_ADD_FOREIGN_KEY] = true,
    [LINT_ADD_UNIQUE] = true,
    [LINT_ADD_EXCLUDE] = true,
    [LINT_PRIMARY_KEY_NULLABLE] = true,
    [LINT_VALIDATE_IN_TRANSACTION] = true,
    [LINT_CREATE_INDEX] = true,
    [LINT_REINDEX] = true,
    [LINT_CLUSTER] = true,
    [LINT_VACUUM_FULL] = true,
    [LINT_REFRESH_VIEW] = true,
    [LINT_STORAGE] = true,
    [LINT_ATTACH_PARTITION] = true,
    [LINT_DOMAIN] = true,
    [LINT_NO_WHERE] = true,
    [LINT_LONG_WORK] = true,
};

bool lint_rule_is_style(enum lint_rule rule)
{
    return rule >= LINT_INT_KEY && rule <= LINT_ENUM_ORDER;
}

bool lint_rule_goes_by_size(enum lint_rule rule)
{
    assert(rule < LINT_RULE_COUNT);
    return lint_rule_sizes[rule];
}

enum lint_rule lint_rule_of(const char *id)
{
    for (size_t i = 0; i < LINT_RULE_COUNT; i++) {
        if (strcmp(lint_rules[i].id, id) == 0) {
            return (enum lint_rule)i;
        }
    }
    return LINT_RULE_COUNT;
}

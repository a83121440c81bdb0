#include "agent/keep/journal.h"

#include <string.h>

extern const char journal_sql_text[]; /* made from journal.sql by the build */

const char *journal_sql(void)
{
    return journal_sql_text;
}

bool journal_is_missing(const struct pg_error *error)
{
    static const char *const sqlstates[] = { "3F000", "42P01", "42883" };

    if (strcmp(error->sqlstate, "42703") == 0) {
        return true; /* a column that an older one does not have; the words do not name the table */
    }
    for (size_t i = 0; i < COUNT_OF(sqlstates); i++) {
        if (strcmp(error->sqlstate, sqlstates[i]) == 0 && strstr(error->message, "skein") != NULL) {
            return true;
        }
    }
    return false;
}

static bool journal_refuse(struct pg_conn *conn, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *names = NULL;
    struct error why = *err;
    struct error ignored = { 0 };
    const char *role = "ROLE";
    const char *database = "DATABASE";

    if (pg_query(conn, "SELECT quote_ident(session_user), current_database()", NULL, 0, &names,
                 NULL, &ignored)) {
        role = pg_result_text(names, 0, 0);
        database = pg_result_text(names, 0, 1);
    }
    return error_set(
        err, ERR_REFUSED,
        "the journal cannot be installed: %.300s; as an administrator run: skein-agent journal "
        "--print | psql '%s' -- and then: GRANT USAGE ON SCHEMA skein TO %s; GRANT SELECT, INSERT, "
        "UPDATE, DELETE ON ALL TABLES IN SCHEMA skein TO %s; GRANT USAGE ON ALL SEQUENCES IN "
        "SCHEMA skein "
        "TO %s;",
        why.message, database, role, role, role);
}

static bool journal_install(struct pg_conn *conn, struct error *err)
{
    struct pg_error words = { 0 };
    struct error ignored = { 0 };

    if (pg_script(conn, journal_sql_text, &words, err)) {
        return true;
    }
    if (!pg_conn_is_lost(conn) && !pg_script(conn, "ROLLBACK", NULL, &ignored)) {
        return error_wrap(err, "install the journal");
    }
    if (strcmp(words.sqlstate, "42501") == 0) {
        return journal_refuse(conn, err);
    }
    return error_wrap(err, "install the journal");
}

bool journal_ensure(struct pg_conn *conn, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error words = { 0 };
    struct error why = { 0 };

    if (!pg_query(conn, "SELECT max(version) FROM skein.meta", NULL, 0, &rows, &words, &why)) {
        if (journal_is_missing(&words)) {
            return journal_install(conn, err);
        }
        *err = why;
        return strcmp(words.sqlstate, "42501") == 0 ? journal_refuse(conn, err)
                                                    : error_wrap(err, "look at the journal");
    }
    uint64_t version = pg_result_u64(rows, 0, 0);
    if (version > JOURNAL_VERSION) {
        return error_set(err, ERR_REFUSED,
                         "the journal has version %llu, which is newer than this program: upgrade "
                         "skein-agent",
                         (unsigned long long)version);
    }
    return version == JOURNAL_VERSION || journal_install(conn, err);
}

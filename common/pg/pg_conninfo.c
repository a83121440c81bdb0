#include "common/pg/pg_conninfo.h"

#include <string.h>

#include "common/core/limits.h"
#include "common/pg/pg_libpq.h"

enum { PG_CONNINFO_OPTIONS_MAX = 8192 };

/* Said first in words of our own, or nobody's business: how this connection is kept alive, and what
 * chose its server among several. */
static const char *const pg_conninfo_omitted[] = {
    "host",
    "port",
    "user",
    "dbname",
    "options",
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "target_session_attrs",
    "load_balance_hosts",
    "passfile",
    "hostaddr",
};

static bool pg_conninfo_omits(const PQconninfoOption *option)
{
    /* "*": a password; "D": nothing for people. */
    if (option->val == NULL || option->val[0] == '\0' || option->dispchar[0] == '*' ||
        option->dispchar[0] == 'D' ||
        (option->compiled != NULL && strcmp(option->val, option->compiled) == 0)) {
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(pg_conninfo_omitted); i++) {
        if (strcmp(option->keyword, pg_conninfo_omitted[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Puts a backslash before each of `marked`. */
static void pg_conninfo_escape(struct buf *buf, const char *text, const char *marked)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (strchr(marked, *c) != NULL) {
            (void)buf_append(buf, "\\", 1);
        }
        (void)buf_append(buf, c, 1);
    }
}

static void pg_conninfo_add(struct buf *buf, const char *keyword, const char *value)
{
    if (value == NULL || value[0] == '\0') {
        return;
    }
    bool plain = strpbrk(value, " \t\n\r\f\v'\\") == NULL;

    (void)buf_printf(buf, "%s%s=%s", buf->size == 0 ? "" : " ", keyword, plain ? "" : "'");
    pg_conninfo_escape(buf, value, "'\\");
    (void)buf_puts(buf, plain ? "" : "'");
}

static const char *pg_conninfo_find(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, keyword) == 0) {
            return o->val == NULL ? "" : o->val;
        }
    }
    return "";
}

void pg_conninfo_describe(const struct pg_conn *conn, const char *application,
                          const struct pg_setting *settings, size_t setting_count, struct buf *buf)
{
    CLEANUP(buf_release) struct buf options = { .size_max = PG_CONNINFO_OPTIONS_MAX };
    PQconninfoOption *all = PQconninfo(conn->pg);
    bool by_address = pg_conninfo_find(all, "hostaddr")[0] != '\0';

    /* Of several servers the one that this connection has found. */
    pg_conninfo_add(buf, "host", PQhost(conn->pg));
    pg_conninfo_add(buf, "hostaddr", by_address ? PQhostaddr(conn->pg) : NULL);
    pg_conninfo_add(buf, "port", PQport(conn->pg));
    pg_conninfo_add(buf, "user", PQuser(conn->pg));
    pg_conninfo_add(buf, "dbname", PQdb(conn->pg));
    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++) {
        if (!pg_conninfo_omits(o)) {
            pg_conninfo_add(buf, o->keyword, o->val);
        }
    }
    (void)buf_puts(&options, pg_conninfo_find(all, "options"));
    for (size_t i = 0; i < setting_count; i++) {
        (void)buf_printf(&options, "%s-c %s=", options.size == 0 ? "" : " ", settings[i].name);
        pg_conninfo_escape(&options, settings[i].value, " \t\n\r\f\v\\");
    }
    buf->overflow = buf->overflow || options.overflow;
    pg_conninfo_add(buf, "options", buf_text(&options));
    pg_conninfo_add(buf, "application_name", application);
    PQconninfoFree(all);
}

const char *pg_conninfo_password(const struct pg_conn *conn)
{
    const char *password = PQpass(conn->pg);

    return password == NULL ? "" : password;
}

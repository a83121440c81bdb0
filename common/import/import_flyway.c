/* import_flyway.c - Flyway: V1.2__name.sql, U1.2__name.sql, R__name.sql, B1.2__name.sql, each with
 * perhaps a .conf beside it; ${placeholders}. */
#include <string.h>

#include "common/import/import_work.h"

/* CRC-32 (IEEE 802.3) over the lines without their ends, as Flyway's history table has it. */
static int32_t import_flyway_checksum(struct bytes text)
{
    struct import_lines lines = import_lines_of(text);
    struct bytes line;
    uint32_t crc = 0xFFFFFFFF;

    while (import_next_line(&lines, &line)) {
        size_t from =
            lines.number == 1 && line.size >= 3 && memcmp(line.data, "\xEF\xBB\xBF", 3) == 0 ? 3
                                                                                             : 0;
        for (size_t i = from; i < line.size; i++) {
            crc ^= line.data[i];
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
            }
        }
    }
    return (int32_t)(crc ^ 0xFFFFFFFF);
}

static const char *import_flyway_value(const struct import_request *request, const char *name,
                                       size_t size)
{
    for (size_t i = 0; i < request->placeholder_count; i++) {
        const char *pair = request->placeholders[i];
        if (strncmp(pair, name, size) == 0 && pair[size] == '=') {
            return pair + size + 1;
        }
    }
    return NULL;
}

static uint32_t import_flyway_line(struct bytes text, const char *at)
{
    uint32_t line = 1;

    for (const char *p = (const char *)text.data; p < at; p++) {
        line += *p == '\n' ? 1 : 0;
    }
    return line;
}

/* ${name} wherever it stands, as Flyway does it. */
static struct bytes import_flyway_fill(struct import_work *work, const char *file,
                                       struct bytes text)
{
    CLEANUP(buf_release) struct buf filled = { .size_max = SCRIPT_BYTES_MAX };
    const char *at = (const char *)text.data;
    const char *end = text.size == 0 ? at : at + text.size;

    while (at < end) {
        const char *mark = memmem(at, (size_t)(end - at), "${", 2);
        const char *close = mark == NULL ? NULL : memchr(mark, '}', (size_t)(end - mark));
        if (close == NULL) {
            break;
        }
        const char *name = mark + 2;
        const char *value = import_flyway_value(work->request, name, (size_t)(close - name));
        if (value == NULL) {
            import_problem(work, file, import_flyway_line(text, mark),
                           "the placeholder ${%.*s} has no value: give it one with --placeholder "
                           "%.*s=VALUE",
                           (int)(close - name < 100 ? close - name : 100), name,
                           (int)(close - name < 100 ? close - name : 100), name);
            buf_append(&filled, at, (size_t)(close + 1 - at));
        } else {
            buf_append(&filled, at, (size_t)(mark - at));
            buf_puts(&filled, value);
        }
        at = close + 1;
    }
    buf_append(&filled, at, (size_t)(end - at));
    if (filled.overflow) {
        import_problem(work, file, 0, "too large with the placeholders' values");
        return text;
    }
    return (struct bytes){ arena_memdup(work->arena, buf_text(&filled), filled.size + 1),
                           filled.size };
}

/* The script and what stands in its .conf. */
static struct import_script import_flyway_script(struct import_work *work,
                                                 const struct set_file *file)
{
    struct import_script script = { .file = file->path, .text = file->content };
    const char *name = arena_printf(work->arena, "%s.conf", file->path);
    const struct set_file *settings = import_find(work, name);
    struct import_lines lines =
        import_lines_of(settings == NULL ? (struct bytes){ 0 } : settings->content);
    struct bytes line;
    bool fills = true;

    while (import_next_line(&lines, &line)) {
        if (import_read_setting(line, "executeInTransaction", "false")) {
            script.outside = true;
        } else if (import_read_setting(line, "placeholderReplacement", "false")) {
            fills = false;
        } else if (!import_is_blank(line) && line.data[0] != '#' &&
                   !import_read_setting(line, "executeInTransaction", "true") &&
                   !import_read_setting(line, "placeholderReplacement", "true") &&
                   !import_read_setting(line, "encoding", "UTF-8")) {
            import_problem(work, name, lines.number, "a setting that skein does not know");
        }
    }
    if (fills) {
        script.text = import_flyway_fill(work, file->path, script.text);
    }
    return script;
}

/* Each "_" becomes `with`. */
static void import_flyway_replace(char *text, char with)
{
    for (; *text != '\0'; text++) {
        if (*text == '_') {
            *text = with;
        }
    }
}

/* "V1_2__add_users.sql" -> "1.2", "add_users". */
static bool import_flyway_name(struct import_work *work, const char *base, char **ret_key,
                               char **ret_name)
{
    const char *mark = strstr(base, "__");

    if (mark == NULL || !import_ends_with(base, ".sql") || strlen(mark + 2) < 4) {
        return false;
    }
    *ret_key = arena_strndup(work->arena, base + 1, (size_t)(mark - base - 1));
    *ret_name = arena_strndup(work->arena, mark + 2, strlen(mark + 2) - 4);
    import_flyway_replace(*ret_key, '.');
    return true;
}

static void import_flyway_version(struct import_work *work, const struct set_file *file,
                                  const char *key, const char *name)
{
    char *description = arena_strdup(work->arena, name);

    import_flyway_replace(description, ' ');
    struct import_migration *migration =
        import_add(work, file->path, key, name,
                   json_pack("{s:s, s:s, s:i}", "description", description, "script", file->path,
                             "checksum", (int)import_flyway_checksum(file->content)));
    if (migration != NULL) {
        migration->up = import_flyway_script(work, file);
    }
}

static struct import_migration *import_flyway_find(struct import_work *work, const char *key)
{
    char version[SEMVER_BYTES_MAX + 1];
    struct error unused = { 0 };

    if (!ledger_version(LEDGER_FLYWAY, key, version, &unused)) {
        return NULL;
    }
    for (size_t i = 0; i < work->migration_count; i++) {
        if (strcmp(work->migrations[i].version, version) == 0) {
            return &work->migrations[i];
        }
    }
    return NULL;
}

static void import_flyway_undo(struct import_work *work, const struct set_file *file,
                               const char *key)
{
    struct import_migration *migration = import_flyway_find(work, key);

    if (migration == NULL) {
        import_note(work, file->path, 0, "undoes a version that is not there; left out");
    } else {
        migration->down = import_flyway_script(work, file);
    }
}

/* Whether what a baseline migration sums up is there, too. */
static bool import_flyway_reaches(struct import_work *work, const char *key)
{
    char version[SEMVER_BYTES_MAX + 1];
    struct semver baseline;
    struct semver other;
    struct error unused = { 0 };

    if (!ledger_version(LEDGER_FLYWAY, key, version, &unused) ||
        !semver_parse(version, &baseline, &unused)) {
        return false;
    }
    for (size_t i = 0; i < work->migration_count; i++) {
        if (semver_parse(work->migrations[i].version, &other, &unused) &&
            semver_compare(&other, &baseline) <= 0) {
            return true;
        }
    }
    return false;
}

static void import_flyway_baseline(struct import_work *work, const struct set_file *file,
                                   const char *key, const char *name)
{
    if (import_flyway_reaches(work, key)) {
        import_note(
            work, file->path, 0,
            "a baseline migration; left out, since the V scripts that it sums up are there");
    } else {
        import_flyway_version(work, file, key, name);
    }
}

static void import_flyway_other(struct import_work *work, const struct set_file *file,
                                const char *base)
{
    static const char *const code[] = { ".java",   ".class", ".kt", ".scala",
                                        ".groovy", ".py",    ".sh", ".ps1" };

    for (size_t i = 0; i < COUNT_OF(code); i++) {
        if (import_ends_with(base, code[i])) {
            import_problem(work, file->path, 0,
                           "a migration or callback that is no SQL: make it an exec operation");
            return;
        }
    }
    if (import_ends_with(base, ".sql") &&
        (strncmp(base, "before", 6) == 0 || strncmp(base, "after", 5) == 0)) {
        import_problem(work, file->path, 0,
                       "a callback, which a set does not have: make it a script");
    } else if (!import_ends_with(base, ".sql.conf")) {
        import_note(work, file->path, 0, "not the name of a migration; left out");
    }
}

/* Undo and baseline scripts want to know the versions first. */
bool import_flyway(struct import_work *work)
{
    static const char passes[] = { 'V', 'U', 'B' };

    for (size_t pass = 0; pass < sizeof(passes); pass++) {
        for (size_t i = 0; i < work->request->file_count; i++) {
            const struct set_file *file = &work->request->files[i];
            const char *base = import_base_name(file->path);
            char *key = NULL;
            char *name = NULL;
            bool named = strchr("VUBR", base[0]) != NULL && base[0] != '\0' &&
                         import_flyway_name(work, base, &key, &name);
            if (!named && pass == 0) {
                import_flyway_other(work, file, base);
            } else if (named && base[0] == 'R' && pass == 0) {
                import_add_repeatable(work, file, name);
                work->repeatables[work->repeatable_count - 1].script =
                    import_flyway_script(work, file);
            } else if (!named || base[0] != passes[pass]) {
                continue;
            } else if (base[0] == 'V') {
                import_flyway_version(work, file, key, name);
            } else if (base[0] == 'U') {
                import_flyway_undo(work, file, key);
            } else {
                import_flyway_baseline(work, file, key, name);
            }
        }
    }
    return true;
}

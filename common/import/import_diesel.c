/* import_diesel.c - Diesel: 2024-01-31-120000_name/up.sql, down.sql and perhaps metadata.toml. */
#include <string.h>

#include "common/import/import_work.h"

static bool import_diesel_runs_outside(const struct import_work *work, const char *folder)
{
    const struct set_file *file =
        import_find(work, arena_printf(work->arena, "%s/metadata.toml", folder));
    struct import_lines lines = import_lines_of(file == NULL ? (struct bytes){ 0 } : file->content);
    struct bytes line;

    while (import_next_line(&lines, &line)) {
        if (import_read_setting(line, "run_in_transaction", "false")) {
            return true;
        }
    }
    return false;
}

static void import_diesel_folder(struct import_work *work, const struct set_file *file)
{
    const char *folder = arena_strndup(work->arena, file->path, strlen(file->path) - 7);
    const char *base = import_base_name(folder);
    size_t size = strcspn(base, "_");
    char *key = arena_strndup(work->arena, base, size);
    size_t kept = 0;

    for (size_t i = 0; i < size; i++) {
        if (base[i] != '-') {
            key[kept++] = base[i];
        }
    }
    key[kept] = '\0';
    struct import_migration *migration =
        import_add(work, file->path, key, base[size] == '_' ? base + size + 1 : "", json_object());
    if (migration == NULL) {
        return;
    }
    bool outside = import_diesel_runs_outside(work, folder);
    const struct set_file *down =
        import_find(work, arena_printf(work->arena, "%s/down.sql", folder));
    migration->up =
        (struct import_script){ .file = file->path, .text = file->content, .outside = outside };
    if (down != NULL) {
        migration->down =
            (struct import_script){ .file = down->path, .text = down->content, .outside = outside };
    }
}

bool import_diesel(struct import_work *work)
{
    for (size_t i = 0; i < work->request->file_count; i++) {
        const struct set_file *file = &work->request->files[i];
        const char *base = import_base_name(file->path);

        if (import_ends_with(file->path, "/up.sql")) {
            import_diesel_folder(work, file);
        } else if (strcmp(base, "down.sql") != 0 && strcmp(base, "metadata.toml") != 0) {
            import_note(work, file->path, 0, "not part of a migration; left out");
        }
    }
    return true;
}

/* import_goose.c - goose: 00001_name.sql with marks for up and down. */
#include <string.h>

#include "common/import/import_marks.h"

static void import_goose_other(struct import_work *work, const struct set_file *file)
{
    const char *key;
    const char *name;
    const char *base = import_base_name(file->path);

    if (import_marks_name(base, ".go", work->arena, &key, &name) &&
        !import_ends_with(base, "_test.go")) {
        import_problem(work, file->path, 0,
                       "a migration in Go: make a program of it and let an exec operation run it");
    } else {
        import_note(work, file->path, 0, "not the name of a migration; left out");
    }
}

bool import_goose(struct import_work *work)
{
    for (size_t i = 0; i < work->request->file_count; i++) {
        const struct set_file *file = &work->request->files[i];
        struct import_marks marks = { 0 };
        struct error err = { 0 };
        const char *key;
        const char *name;
        uint32_t line = 0;

        if (!import_marks_name(import_base_name(file->path), ".sql", work->arena, &key, &name)) {
            import_goose_other(work, file);
            continue;
        }
        if (!import_marks_goose(file->content, work->arena, &marks, &line, &err)) {
            import_problem(work, file->path, line, "%s", err.message);
            continue;
        }
        if (marks.variables_line > 0) {
            import_problem(work, file->path, marks.variables_line,
                           "variables of the environment (ENVSUBST ON): write their values");
        }
        struct import_migration *migration = import_add(work, file->path, key, name, json_object());
        if (migration != NULL) {
            migration->up = marks.up;
            migration->up.file = file->path;
            migration->down = marks.down;
            migration->down.file = marks.has_down ? file->path : NULL;
        }
    }
    return true;
}

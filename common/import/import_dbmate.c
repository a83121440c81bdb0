/* import_dbmate.c - dbmate: 20240131120000_name.sql with marks for up and down. */
#include "common/import/import_marks.h"

bool import_dbmate(struct import_work *work)
{
    for (size_t i = 0; i < work->request->file_count; i++) {
        const struct set_file *file = &work->request->files[i];
        struct import_marks marks = { 0 };
        struct error err = { 0 };
        const char *key;
        const char *name;
        uint32_t line = 0;

        if (!import_marks_name(import_base_name(file->path), ".sql", work->arena, &key, &name)) {
            import_note(work, file->path, 0, "not the name of a migration; left out");
            continue;
        }
        if (!import_marks_dbmate(file->content, &marks, &line, &err)) {
            import_problem(work, file->path, line, "%s", err.message);
            continue;
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

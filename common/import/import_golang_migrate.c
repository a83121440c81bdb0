/* import_golang_migrate.c - golang-migrate: 000001_name.up.sql and 000001_name.down.sql. */
#include <string.h>

#include "common/import/import_marks.h"

static void import_golang_up(struct import_work *work, const struct set_file *file, const char *key,
                             const char *name)
{
    /* Its table has a number: no zeros in front. */
    const char *number = key + strspn(key, "0");
    struct import_migration *migration =
        import_add(work, file->path, *number == '\0' ? "0" : number, name, json_object());

    if (migration != NULL) {
        migration->up = (struct import_script){ .file = file->path, .text = file->content };
    }
}

static void import_golang_down(struct import_work *work, const struct set_file *file,
                               const char *key)
{
    char version[SEMVER_BYTES_MAX + 1];
    struct error err = { 0 };

    for (size_t i = 0; i < work->migration_count; i++) {
        if (ledger_version(LEDGER_GOLANG_MIGRATE, key, version, &err) &&
            strcmp(work->migrations[i].version, version) == 0) {
            work->migrations[i].down =
                (struct import_script){ .file = file->path, .text = file->content };
            return;
        }
    }
    import_note(work, file->path, 0, "undoes a version that is not there; left out");
}

bool import_golang_migrate(struct import_work *work)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < work->request->file_count; i++) {
            const struct set_file *file = &work->request->files[i];
            const char *base = import_base_name(file->path);
            const char *key;
            const char *name;
            bool up = import_marks_name(base, ".up.sql", work->arena, &key, &name);
            bool down = !up && import_marks_name(base, ".down.sql", work->arena, &key, &name);

            if (up && pass == 0) {
                import_golang_up(work, file, key, name);
            } else if (down && pass == 1) {
                import_golang_down(work, file, key);
            } else if (!up && !down && pass == 0) {
                import_note(work, file->path, 0, "not the name of a migration; left out");
            }
        }
    }
    return true;
}

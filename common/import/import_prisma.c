/* import_prisma.c - Prisma: 20240131120000_name/migration.sql, and migration_lock.toml. */
#include <string.h>

#include "common/import/import_work.h"
#include "common/model/checksum.h"

static const char *import_prisma_checksum(struct import_work *work, struct bytes content)
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    uint8_t digest[CHECKSUM_BYTES];
    char *text = arena_alloc(work->arena, 2 * CHECKSUM_BYTES + 1);

    checksum_add(checksum, content.data, content.size);
    checksum_finish(checksum, digest);
    for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    return text;
}

static void import_prisma_folder(struct import_work *work, const struct set_file *file)
{
    const char *folder =
        arena_strndup(work->arena, file->path, strlen(file->path) - strlen("/migration.sql"));
    const char *key = import_base_name(folder);
    const char *name = strchr(key, '_');
    const struct set_file *down =
        import_find(work, arena_printf(work->arena, "%s/down.sql", folder));
    struct import_migration *migration =
        import_add(work, file->path, key, name == NULL ? "" : name + 1,
                   json_pack("{s:s}", "checksum", import_prisma_checksum(work, file->content)));

    if (migration == NULL) {
        return;
    }
    migration->up = (struct import_script){ .file = file->path, .text = file->content };
    if (down != NULL) {
        migration->down = (struct import_script){ .file = down->path, .text = down->content };
    }
}

/* The language of the scripts stands in a file of its own. */
static void import_prisma_lock(struct import_work *work, const struct set_file *file)
{
    struct import_lines lines = import_lines_of(file->content);
    struct bytes line;

    while (import_next_line(&lines, &line)) {
        if (line.size > 8 && memcmp(line.data, "provider", 8) == 0 &&
            memmem(line.data, line.size, "postgres", 8) == NULL) {
            import_problem(work, file->path, lines.number, "the scripts are not PostgreSQL's");
        }
    }
}

bool import_prisma(struct import_work *work)
{
    for (size_t i = 0; i < work->request->file_count; i++) {
        const struct set_file *file = &work->request->files[i];
        const char *base = import_base_name(file->path);

        if (import_ends_with(file->path, "/migration.sql")) {
            import_prisma_folder(work, file);
        } else if (strcmp(base, "migration_lock.toml") == 0) {
            import_prisma_lock(work, file);
        } else if (strcmp(base, "down.sql") != 0) {
            import_note(work, file->path, 0, "not part of a migration; left out");
        }
    }
    return true;
}

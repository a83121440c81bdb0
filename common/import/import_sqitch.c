/* import_sqitch.c - sqitch: sqitch.plan says the order, deploy/ and revert/ hold the scripts. The
 * version of a change is its place in the plan: 0.0.1, 0.0.2, ... */
#include <stdlib.h>
#include <string.h>

#include "common/import/import_work.h"
#include "common/import/sqitch_plan.h"
#include "common/model/checksum.h"

struct import_sqitch_folders {
    const char *plan;
    const char *deploy;
    const char *revert;
    const char *verify;
};

/* The value of `key = value`; NULL where the line is another's. */
static const char *import_sqitch_value(struct import_work *work, struct bytes line, const char *key)
{
    const char *text = arena_strndup(work->arena, (const char *)line.data, line.size);
    size_t size = strlen(key);

    text += strspn(text, " \t");
    if (strncmp(text, key, size) != 0) {
        return NULL;
    }
    text += size + strspn(text + size, " \t");
    if (*text != '=') {
        return NULL;
    }
    text += 1 + strspn(text + 1, " \t\"");
    text += strncmp(text, "./", 2) == 0 ? 2 : 0;
    size = strcspn(text, "\"\r \t");
    size -= size > 0 && text[size - 1] == '/' ? 1 : 0;
    return arena_strndup(work->arena, text, size);
}

/* sqitch.conf may name other folders: in [core], or for this engine. */
static struct import_sqitch_folders import_sqitch_folders(struct import_work *work)
{
    static const char *const keys[] = { "top_dir", "plan_file", "deploy_dir", "revert_dir",
                                        "verify_dir" };
    const char *values[COUNT_OF(keys)] = { NULL };
    const struct set_file *file = import_find(work, "sqitch.conf");
    struct import_lines lines = import_lines_of(file == NULL ? (struct bytes){ 0 } : file->content);
    struct bytes line;

    while (import_next_line(&lines, &line)) {
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
            const char *value = import_sqitch_value(work, line, keys[i]);
            values[i] = value != NULL && *value != '\0' ? value : values[i];
        }
    }
    const char *top = values[0] == NULL || strcmp(values[0], ".") == 0
                          ? ""
                          : arena_printf(work->arena, "%s/", values[0]);
    return (struct import_sqitch_folders){
        .plan = values[1] != NULL ? values[1] : arena_printf(work->arena, "%ssqitch.plan", top),
        .deploy = values[2] != NULL ? values[2] : arena_printf(work->arena, "%sdeploy", top),
        .revert = values[3] != NULL ? values[3] : arena_printf(work->arena, "%srevert", top),
        .verify = values[4] != NULL ? values[4] : arena_printf(work->arena, "%sverify", top),
    };
}

/* What sqitch's registry will have to say of the change. */
static json_t *import_sqitch_ledger(struct import_work *work, const char *file,
                                    const struct sqitch_plan *plan,
                                    const struct sqitch_change *change,
                                    const struct set_file *deploy)
{
    char hash[CHECKSUM_SHA1_TEXT_BYTES];
    json_t *requires = json_array();
    json_t *conflicts = json_array();

    for (size_t i = 0; i < change->dependency_count; i++) {
        const struct sqitch_dependency *dependency = &change->dependencies[i];
        if (dependency->conflict) {
            json_array_append_new(conflicts, json_string(dependency->text));
            continue;
        }
        json_array_append_new(
            requires, json_pack("{s:s, s:s?}", "change", dependency->text, "id", dependency->id));
        if (dependency->id == NULL) {
            import_note(work, file, change->line,
                        "'%s' depends on '%s', which is not in this plan: skein does not check it",
                        change->name, dependency->text);
        }
    }
    checksum_sha1_text(NULL, deploy->content, hash);
    return json_pack("{s:s, s:s, s:s?, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "change", change->name,
                     "project", plan->project, "uri", plan->uri[0] == '\0' ? NULL : plan->uri,
                     "note", change->note, "planned_at", change->planned_at, "planner_name",
                     change->planner_name, "planner_email", change->planner_email, "script_hash",
                     hash, "requires", requires, "conflicts", conflicts);
}

static void import_sqitch_change(struct import_work *work,
                                 const struct import_sqitch_folders *folders,
                                 const struct sqitch_plan *plan, size_t index)
{
    const struct sqitch_change *change = &plan->changes[index];
    const struct set_file *deploy =
        import_find(work, arena_printf(work->arena, "%s/%s.sql", folders->deploy, change->file));
    const struct set_file *revert =
        import_find(work, arena_printf(work->arena, "%s/%s.sql", folders->revert, change->file));

    if (deploy == NULL) {
        import_problem(work, folders->plan, change->line, "the script %s/%s.sql is not there",
                       folders->deploy, change->file);
        return;
    }
    struct import_migration *migration = import_add_version(
        work, arena_printf(work->arena, "0.0.%zu", index + 1), change->id, change->name,
        import_sqitch_ledger(work, folders->plan, plan, change, deploy));
    migration->up = (struct import_script){ .file = deploy->path, .text = deploy->content };
    if (revert != NULL) {
        migration->down = (struct import_script){ .file = revert->path, .text = revert->content };
    }
}

bool import_sqitch(struct import_work *work)
{
    const struct import_sqitch_folders folders = import_sqitch_folders(work);
    const struct set_file *file = import_find(work, folders.plan);
    struct sqitch_plan plan;

    if (file == NULL) {
        return error_set(work->err, ERR_INVALID, "there is no %s: give the folder with sqitch.conf",
                         folders.plan);
    }
    if (!sqitch_plan_parse(file->content, work->arena, &plan, work->err)) {
        return false;
    }
    for (size_t i = 0; i < plan.change_count; i++) {
        import_sqitch_change(work, &folders, &plan, i);
    }
    for (size_t i = 0; i < plan.tag_count; i++) {
        import_note(work, folders.plan, 0, "the tag %s is the version 0.0.%zu", plan.tags[i].name,
                    plan.tags[i].change + 1);
    }
    const size_t size = strlen(folders.verify);
    size_t verify_count = 0;
    for (size_t i = 0; i < work->request->file_count; i++) {
        const char *path = work->request->files[i].path;
        verify_count += strncmp(path, folders.verify, size) == 0 && path[size] == '/' ? 1 : 0;
    }
    if (verify_count > 0) {
        import_note(work, folders.verify, 0,
                    "%zu verify scripts are left out; `sqitch verify` still runs them",
                    verify_count);
    }
    return true;
}

#include "common/model/set_kind.h"

#include "common/model/set_process.h"
#include "common/model/set_state.h"

/* What can undo itself is its own rollback. */
static void set_kind_add_own_down(struct operation *operation)
{
    operation->down_path = operation->path;
    operation->down_kind = operation->kind;
    operation->down_content = operation->content;
    operation->down_process = operation->process;
    operation->down_settings = operation->settings;
}

static bool set_kind_read_process(struct operation *operation, bool down, struct arena *arena,
                                  struct error *err)
{
    enum set_process_kind kind = (down ? operation->down_kind : operation->kind) == OPERATION_PLUGIN
                                     ? SET_PROCESS_PLUGIN
                                 : down ? SET_PROCESS_EXEC_DOWN
                                        : SET_PROCESS_EXEC;
    struct set_process *process = arena_alloc(arena, sizeof(*process));

    if (!set_process_parse(down ? operation->down_path : operation->path, kind,
                           down ? operation->down_content : operation->content, arena, process,
                           err)) {
        return false;
    }
    if (down) {
        operation->down_process = process;
        return true;
    }
    operation->process = process;
    if (process->rollback) {
        set_kind_add_own_down(operation);
    }
    return true;
}

static bool set_kind_read_state(struct operation *operation, bool down, struct arena *arena,
                                struct error *err)
{
    struct set_state *state = arena_alloc(arena, sizeof(*state));

    if (down) {
        return error_set(err, ERR_INVALID,
                         "file '%s': streams are not folded back, expected rollback: true in the "
                         "operation's own file, or a .down.sql",
                         operation->down_path);
    }
    if (!set_state_parse(operation->path, operation->content, arena, state, err)) {
        return false;
    }
    operation->state = state;
    if (state->rollback) {
        set_kind_add_own_down(operation);
    }
    return true;
}

bool set_kind_read(struct operation *operation, bool down, struct arena *arena, struct error *err)
{
    static bool (*const readers[OPERATION_KIND_COUNT])(struct operation *, bool, struct arena *,
                                                       struct error *) = {
        [OPERATION_EXEC] = set_kind_read_process,
        [OPERATION_PLUGIN] = set_kind_read_process,
        [OPERATION_STATE] = set_kind_read_state,
    };
    enum operation_kind kind = down ? operation->down_kind : operation->kind;

    return readers[kind] == NULL || readers[kind](operation, down, arena, err);
}

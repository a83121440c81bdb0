#include "coordinator/cli/exit_code.h"

#include <stddef.h>
#include <string.h>

#include "common/core/base.h"

static const struct {
    enum rpc_status status;
    enum exit_code code;
} exit_statuses[] = {
    { RPC_OK, EXIT_CODE_DONE },
    { RPC_INVALID_ARGUMENT, EXIT_CODE_USAGE },
    { RPC_NOT_FOUND, EXIT_CODE_INTERNAL }, /* the command makes sense, there is no such thing */
    { RPC_OUT_OF_RANGE, EXIT_CODE_USAGE },
    { RPC_ALREADY_EXISTS, EXIT_CODE_REFUSED },
    { RPC_PERMISSION_DENIED, EXIT_CODE_REFUSED },
    { RPC_RESOURCE_EXHAUSTED, EXIT_CODE_REFUSED },
    { RPC_FAILED_PRECONDITION, EXIT_CODE_REFUSED },
    { RPC_ABORTED, EXIT_CODE_REFUSED },
    { RPC_UNAUTHENTICATED, EXIT_CODE_REFUSED },
    { RPC_UNAVAILABLE, EXIT_CODE_UNREACHABLE },
    { RPC_DEADLINE_EXCEEDED, EXIT_CODE_UNREACHABLE },
};

static const struct {
    const char *phase;
    bool is_final;
    bool is_settled;
    enum exit_code code;             /* with no failed tenant */
    enum exit_code code_with_failed; /* with at least one */
} exit_phases[] = {
    { "PENDING", false, false, EXIT_CODE_DONE, EXIT_CODE_DONE },
    { "DRY_RUN", false, false, EXIT_CODE_DONE, EXIT_CODE_DONE },
    { "DRY_RUN_FAILED", true, true, EXIT_CODE_REJECTED, EXIT_CODE_REJECTED },
    { "AWAITING_APPROVAL", false, true, EXIT_CODE_WAITING, EXIT_CODE_WAITING },
    { "RUNNING", false, false, EXIT_CODE_DONE, EXIT_CODE_DONE },
    { "PAUSED", false, true, EXIT_CODE_WAITING, EXIT_CODE_WAITING },
    { "SUCCEEDED", true, true, EXIT_CODE_DONE, EXIT_CODE_TENANTS_FAILED },
    { "FAILED", true, true, EXIT_CODE_TENANTS_FAILED, EXIT_CODE_TENANTS_FAILED },
    { "ABORTED", true, true, EXIT_CODE_REFUSED, EXIT_CODE_TENANTS_FAILED },
    { "ROLLING_BACK", false, false, EXIT_CODE_DONE, EXIT_CODE_DONE },
    { "ROLLED_BACK", true, true, EXIT_CODE_TENANTS_FAILED, EXIT_CODE_TENANTS_FAILED },
};

enum exit_code exit_code_of_status(enum rpc_status status, bool deadline_given)
{
    if (status == RPC_DEADLINE_EXCEEDED && deadline_given) {
        return EXIT_CODE_TIMEOUT;
    }
    for (size_t i = 0; i < COUNT_OF(exit_statuses); i++) {
        if (exit_statuses[i].status == status) {
            return exit_statuses[i].code;
        }
    }
    return EXIT_CODE_INTERNAL;
}

enum exit_code exit_code_of_phase(const char *phase, uint64_t failed)
{
    for (size_t i = 0; i < COUNT_OF(exit_phases); i++) {
        if (strcmp(exit_phases[i].phase, phase) == 0) {
            return failed > 0 ? exit_phases[i].code_with_failed : exit_phases[i].code;
        }
    }
    return EXIT_CODE_INTERNAL;
}

bool exit_code_phase_is_final(const char *phase)
{
    for (size_t i = 0; i < COUNT_OF(exit_phases); i++) {
        if (strcmp(exit_phases[i].phase, phase) == 0) {
            return exit_phases[i].is_final;
        }
    }
    return false;
}

bool exit_code_phase_is_settled(const char *phase)
{
    for (size_t i = 0; i < COUNT_OF(exit_phases); i++) {
        if (strcmp(exit_phases[i].phase, phase) == 0) {
            return exit_phases[i].is_settled;
        }
    }
    return false;
}

/* look_group.h - behind which statements of a dry run its locks are looked at.
 *
 * Pure; used by one thread. Such a look costs as much as a small statement, so one of them stands
 * for a group: for statements of which lint foresees all that they do, and no two of them to the
 * same relation. Behind the last of them it is known whose everything is; what nobody has foreseen
 * shows up all the same (measure_read.h). Of the others only the time is taken. */
#ifndef SKEIN_AGENT_RUN_LOOK_GROUP_H
#define SKEIN_AGENT_RUN_LOOK_GROUP_H

#include "agent/check/prepared_set.h"

enum { LOOK_GROUP_MAX = 32 };

struct look_group {
    bool each;  /* to be set: lint is not to be relied on */
    bool fresh; /* to be set: nothing of the tenant was there before */
    const struct lint_statement *members[LOOK_GROUP_MAX]; /* since the last look at locks */
    size_t count;
    bool renamed; /* names stand for something else from now on */
};

struct look_choice {
    bool locks;    /* else only the time is taken */
    bool foreseen; /* it does what lint foresees */
};

/* Before another file (NULL: one whose statements are not looked at one by one): whether the locks
 * have to be looked at now. */
bool look_group_must_end(struct look_group *group, const struct prepared_file *next);

/* Behind the file's statement `index`; in the order in which they run. */
struct look_choice look_group_after(struct look_group *group, const struct prepared_file *file,
                                    size_t index);

/* Whether two statements like that can be measured as one: plain inserts, which nobody waits for.
 */
bool look_group_is_insert(const struct sql_statement *statement);

#endif

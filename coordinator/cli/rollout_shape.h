/* rollout_shape.h - objects as `-o json` promises them, made of what the coordinator sends.
 *
 * Pure. The caller owns what is given back. */
#ifndef SKEIN_COORDINATOR_CLI_ROLLOUT_SHAPE_H
#define SKEIN_COORDINATOR_CLI_ROLLOUT_SHAPE_H

#include <jansson.h>

/* From a message Rollout; everything that draws rollouts reads this form. */
json_t *rollout_shape(const json_t *rollout);
/* From a TaskError: mode in lower case, texts never null. */
json_t *rollout_shape_error(const json_t *error);

#endif

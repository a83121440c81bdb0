/* cmd.h - the verbs: each is a function that does its work and gives back an exit code.
 *
 * Main thread only. A verb of several files' worth (rollout) has one file per part. */
#ifndef SKEIN_COORDINATOR_CLI_CMD_H
#define SKEIN_COORDINATOR_CLI_CMD_H

struct cli;

int cmd_set_publish(struct cli *cli);
int cmd_set_import(struct cli *cli);
int cmd_set_list(struct cli *cli);
int cmd_set_show(struct cli *cli);
int cmd_lint(struct cli *cli);
int cmd_plan(struct cli *cli);
int cmd_rollout_start(struct cli *cli);
int cmd_rollout_list(struct cli *cli);
int cmd_rollout_status(struct cli *cli);
int cmd_rollout_watch(struct cli *cli);
int cmd_rollout_report(struct cli *cli);
int cmd_rollout_pause(struct cli *cli);
int cmd_rollout_resume(struct cli *cli);
int cmd_rollout_abort(struct cli *cli);
int cmd_rollout_retry(struct cli *cli);
int cmd_rollout_rollback(struct cli *cli);
int cmd_rollout_unavailable(struct cli *cli);
int cmd_tenant_list(struct cli *cli);
int cmd_tenant_show(struct cli *cli);
int cmd_tenant_history(struct cli *cli);
int cmd_tenant_census(struct cli *cli);
int cmd_drift(struct cli *cli);
int cmd_tenant_lock(struct cli *cli);
int cmd_tenant_unlock(struct cli *cli);
int cmd_baseline(struct cli *cli);
int cmd_tenant_create(struct cli *cli);
int cmd_tenant_drop(struct cli *cli);
int cmd_tenant_label(struct cli *cli);
int cmd_baseline_from(struct cli *cli);
int cmd_shard_list(struct cli *cli);
int cmd_shard_forget(struct cli *cli);
int cmd_lock_list(struct cli *cli);
int cmd_event_list(struct cli *cli);
int cmd_config_show(struct cli *cli);
int cmd_completion_bash(struct cli *cli);

#endif

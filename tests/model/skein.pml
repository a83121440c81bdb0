/* skein.pml - the promises of a rollout, for spin: see README.md for how far it looks. */

#include "words.pml"

#include "database.pml"
#include "coordinator.pml"
#include "agent.pml"

/* When nothing can happen any more: the rollout has ended, and its report is what the databases
 * hold. Since no run is endless (the second pass, -DNP, finds no cycle), every run comes here. */
proctype judge()
{
  timeout ->
    d_step {
      assert(st_ended);
      for (j : 0 .. NT - 1) {
        assert(d_applied[j] <= 1);
        assert(st_report[j] != TASK_MIGRATED || d_version[j]);
        assert(st_report[j] == TASK_MIGRATED || st_report[j] == TASK_UNKNOWN || !d_version[j])
      }
    }
}

init
{
  atomic {
    for (i : 0 .. BACKENDS - 1) {
      run backend(i)
    }
    for (i : 0 .. NA - 1) {
      for (j : 0 .. SLOTS - 1) {
        run worker(i, j)
      }
      run agent(i)
    }
    for (i : 0 .. NC - 1) {
      run coordinator(i)
    }
    run store();
    run judge()
  }
}

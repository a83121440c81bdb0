/* helper_fold.h - a helper that folds streams with a plugin's object: lines of JSON on standard
 * input, and one for each on standard output.
 *
 * In a process of its own. What the object prints goes to standard error. */
#ifndef SKEIN_AGENT_HELPER_HELPER_FOLD_H
#define SKEIN_AGENT_HELPER_HELPER_FOLD_H

/* See HELPER_CONTEXT_WORDS. Returns the exit status: 0 when its input has ended. */
int helper_fold(int word_count, char *words[]);

#endif

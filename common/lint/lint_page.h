/* lint_page.h - the page of each rule: what really happens in PostgreSQL, and what to do instead.
 *
 * Pure, constant. The pages are common/lint/pages/NN.md, a file for each group of rules; a page
 * begins with "## RULE" and has two paragraphs, the second with the SQL to write. */
#ifndef SKEIN_COMMON_LINT_LINT_PAGE_H
#define SKEIN_COMMON_LINT_LINT_PAGE_H

#include "common/core/buf.h"

/* The text below the heading, without blank lines around it. Empty where a rule has no page, which
 * a test does not allow. */
struct bytes lint_page(const char *rule);

#endif

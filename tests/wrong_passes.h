/* wrong_passes.h: passes with mistakes, for the test that the case runner notices.  wrong_passes.c.
 */
#ifndef BFOPT_TESTS_WRONG_PASSES_H
#define BFOPT_TESTS_WRONG_PASSES_H

#include "passes/pass.h"

/* The wrong pass of this name, or NULL. */
const struct pass_info *wrong_pass_find(struct name name);

#endif

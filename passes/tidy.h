/* tidy.h: removes blocks and branches that decide nothing.  tidy.c; fold and dce end with it. */
#ifndef BFOPT_PASSES_TIDY_H
#define BFOPT_PASSES_TIDY_H

#include "passes/pass.h"

/* True if it changed anything. */
bool tidy_blocks(struct func *f, struct pass_env *env);

#endif

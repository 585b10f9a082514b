/* tidy.h: removes blocks and branches that decide nothing.  tidy.c; fold and dce end with it. */
#ifndef BFOPT_PASSES_TIDY_H
#define BFOPT_PASSES_TIDY_H

#include "passes/pass.h"

enum {
    TIDY_CHANGED = 1,
    TIDY_BRANCH = 2, /* a br is gone, so its condition may be dead */
};
/* What it did: 0, or some of the above. */
unsigned tidy_blocks(struct func *f, struct pass_env *env);

#endif

/* anticipated.h: which accesses are certain to come.  anticipated.c. */
#ifndef BFOPT_PASSES_ANTICIPATED_H
#define BFOPT_PASSES_ANTICIPATED_H

#include "ir/cfg.h"
#include "passes/cells.h"

struct anticipated {
    struct reach *start; /* per block */
    uint32_t nblock;     /* of blocks made since nothing is known */
};

struct anticipated anticipated_make(struct func *f, const struct cfg *cfg, struct cells *cells);
void anticipated_free(struct anticipated *a);
/* Once block b is entered (its phis are set): which cells, relative to root, are certainly on the
 * tape, or else the run leaves it, before it prints, reads, or runs for ever?  True if any. */
bool anticipated_at(const struct anticipated *a, block b, value root, int64_t *lo, int64_t *hi);

#endif

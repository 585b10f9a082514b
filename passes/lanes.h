/* lanes.h: where pointers stand, as far as a remainder tells.
 *
 *   %2 = scan %1, step 9           %2 is %1 plus a multiple of 9
 *   %3 = move %2 + 4               so is %3, plus 4
 *   %5 = phi b1 %1, b2 %3          %1 plus a multiple of ... 1: nothing is known; %5 begins anew
 *
 * Of each pointer an origin is known, another pointer or itself, and its distance from there:
 * exactly, or modulo some number.  Cells at distances from one origin whose remainders differ are
 * not the same, whatever the scans in between did.  lanes.c.
 */
#ifndef BFOPT_PASSES_LANES_H
#define BFOPT_PASSES_LANES_H

#include "ir/cfg.h"

/* A pointer: origin + off + some multiple of mod; mod is 0 (off is exact) or more than 1. */
struct lane {
    value origin;
    int64_t off;
    uint64_t mod;
};

struct lanes {
    struct func *f;
    struct lane *at; /* by value, of the n there were */
    uint32_t n;
};

void lanes_make(struct lanes *l, struct func *f, const struct rpo *r);
void lanes_free(struct lanes *l);
/* What is known of p + k.  p may be a SCAN or MOVE that was added since. */
struct lane lanes_of(const struct lanes *l, value p, int64_t k);
/* Is the cell q + j certainly none of p + k, p + k + step, p + k - step, ...?  step 0: p + k alone.
 */
bool lanes_apart(const struct lanes *l, value p, int64_t k, int64_t step, value q, int64_t j);

#endif

/* ra.h: register allocation.
 *
 * ra_allocate: linear scan over live intervals with holes, on SSA form (Wimmer and Franz, "Linear
 * Scan Register Allocation on SSA Form", CGO 2010).  ra_check: a symbolic proof that the result
 * computes what its input did (the algorithm of regalloc2's checker), independent of the allocator.
 */
#ifndef BFOPT_BACKEND_RA_H
#define BFOPT_BACKEND_RA_H

#include "backend/mach.h"

struct ra_options {
    unsigned max_regs; /* use only the first max_regs of target->order; 0: all.  Registers that
                          instructions fix stay usable by those instructions. */
    uint32_t seed;     /* not 0: random (correct) choices, for tests */
    bool consume;      /* the input is not needed again: its instructions may be overwritten */
};

struct ra_stats {
    uint32_t intervals, splits, spills, reloads, moves, slots, edge_blocks;
};

/* Allocates a copy of m; m itself is unchanged (but see consume).  The result has physical
 * registers, no phis, slots counted in nslots, minsn.orig set.  Never fails (3 registers always
 * suffice, besides fixed ones).
 */
struct mach *ra_allocate(const struct mach *m, const struct ra_options *opt,
                         struct ra_stats *stats);

/* True if `after` is a correct allocation of `before`; else writes what is wrong and where to
 * `error` and returns false. */
struct text;
bool ra_check(const struct mach *before, const struct mach *after, struct text *error);

/* ---- pieces with tests of their own ---- */

/* One parallel move: all sources are read before any destination is written. */
struct pmove {
    uint32_t from, to; /* locations: registers are < MACH_MAX_PHYS, slot n is MACH_MAX_PHYS + n */
};
enum pmove_kind { PMOVE_COPY, PMOVE_SWAP };
struct pmove_step {
    enum pmove_kind kind;
    uint32_t from, to;
};
/* Orders n parallel moves (distinct destinations) into at most 2n steps of copies and swaps that
 * have the same effect; returns how many were written to `out` (room for 2n). */
unsigned pmove_resolve(const struct pmove *moves, unsigned n, struct pmove_step *out);

#endif

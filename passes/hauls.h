/* hauls.h: loops that walk over records and take cells along.
 *
 *   b2: %3 = phi b1 %1, b4 %9         the pointer, which moves by the step
 *       %4 = load %3
 *       br %4, b3, b4
 *   b3: %5 = load %3 + 784            the haul: cell 0 of this record is added to cell 0 of the
 *       %6 = add %5, %4               next, and cleared; always, or if it is not 0
 *       store %3 + 784, %6
 *       store %3, 0
 *   b4: ...
 *       %9 = move %3 + 784
 *       %10 = load %9
 *       br %10, b2, b5
 *
 * Innermost loops, left at their end only, in which all accesses are loads and stores at fixed
 * distances from one pointer that each iteration moves by the same step.  Two accesses may concern
 * the same cell, in whatever iterations, only if their offsets agree modulo the step.  A cell is
 * hauled if all such accesses are: loads and stores at one offset, then the haul, then loads a
 * step further.  hauls.c.
 */
#ifndef BFOPT_PASSES_HAULS_H
#define BFOPT_PASSES_HAULS_H

#include "ir/cfg.h"
#include "passes/cells.h"

#define HAUL_BLOCKS   40
#define HAUL_ACCESSES 96
#define HAUL_CELLS    10 /* of one loop */

/* A load or store of the loop, in the order of execution. */
struct haul_access {
    value v;
    int64_t off;
    bool store, main; /* main: in a block that every iteration passes */
};

/* A cell that is taken along. */
struct haul {
    int64_t off;
    uint32_t first, haul;  /* accesses: the first load; the store a step further */
    uint32_t cleared;      /* the store of 0 */
    value sum, old, added; /* at the haul: sum = old + added, where old was loaded */
    value cond;            /* of the detour that hauls, or NO_VALUE: it always does */
    value raw;             /* what was in memory; for the pass that changes the loop */
};

struct hauls {
    struct func *f;
    struct cfg cfg;
    struct cells cells;
    /* The loop at hand. */
    block body[HAUL_BLOCKS], head, latch;
    unsigned nbody, entry_slot, exit_n; /* of head's predecessors, of latch's successors */
    value pointer, next;                /* of the head, and for the next iteration */
    int64_t step;
    struct haul_access access[HAUL_ACCESSES];
    unsigned naccess;
    struct haul cell[HAUL_CELLS];
    unsigned ncell;
};

/* Analyses f. */
void hauls_init(struct hauls *h, struct func *f);
void hauls_free(struct hauls *h);
/* Describes loop n; false if it is none of these.  It may have no cell that is taken along. */
bool hauls_find(struct hauls *h, uint32_t n);
/* May cells at these offsets be the same, in different iterations? */
bool hauls_same_lane(const struct hauls *h, int64_t a, int64_t b);

#endif

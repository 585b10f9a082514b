/* lane_walks.h: loops that walk the tape until they find a zero.
 *
 *   pre:   ... %2 = load %1          br %2, head, exit        the guard, if there is one
 *   head:  %3 = phi pre %1, latch %7
 *          ...
 *   latch: %7 = move %3 - 9
 *          %8 = load %7              br %8, head, exit
 *
 * A scan with something to do on the way.  The cells tested, %1, %1 - 9, ..., are the walk's lane.
 * Only walks that leave their lane alone count: they store to other lanes, or, to the cell they
 * have just passed, what is not 0.  lane_walks.c.
 */
#ifndef BFOPT_PASSES_LANE_WALKS_H
#define BFOPT_PASSES_LANE_WALKS_H

#include "passes/cells.h"
#include "passes/lanes.h"

struct lane_walk {
    block head, latch, pre, exit;
    value x;      /* the pointer: a phi of head */
    value start;  /* its value on the way in */
    int64_t step; /* by which it moves */
    int64_t test; /* the cell tested, seen from x as it is in the next iteration */
    uint32_t src; /* of the test */
    bool guarded; /* the cell is tested before the first iteration, too, and if it is 0, pre goes
                     to exit; exit is not entered from elsewhere */
};

/* All walks of f by loop number; .head is NO_BLOCK where a loop is none. */
struct lane_walk *lane_walks_find(struct func *f, const struct loops *loops, const struct rpo *r,
                                  struct cells *c, const struct lanes *l);

#endif

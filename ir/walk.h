/* walk.h: loops that walk along the tape and do the same arithmetic on each record they pass.
 *
 *   b2: %2 = phi b1 %1, b2 %6            for each record p, p + 9, p + 18, ...:
 *       %3 = load %2                         [p + 2] += [p]
 *       %4 = load %2 + 2                     [p] = 0
 *       %5 = add %3, %4             =>       until [p + 9] is 0
 *       store %2 + 2, %5
 *       store %2, 0
 *       %6 = move %2 + 9
 *       %7 = load %6
 *       br %7, b2, b3
 *
 * An engine that knows this needs no code for each operation in each round: it can run the few
 * operations of a walk in a loop of its own, for as long as the records lie on the tape, and leave
 * the rest (if the walk leaves the tape) to the code as written.  walk.c. */
#ifndef BFOPT_IR_WALK_H
#define BFOPT_IR_WALK_H

#include "ir/ir.h"

#define WALK_MAX_OPS 8

/* [dst] = (keep ? [dst] : 0) + factor * [src] + add; offsets in cells from the round's pointer. */
struct walk_op {
    int32_t dst, src;
    bool keep;
    uint64_t factor, add;
};

struct walk {
    block latch;  /* the block that tests and goes back; the head if the loop is one block */
    value phi;    /* the pointer of a round */
    value next;   /* the pointer of the next round: phi + step */
    int32_t step; /* not 0 */
    int32_t test; /* after each round: on to the next unless [phi + test] is 0 */
    /* Each round accesses no cell outside [phi + low, phi + high], perhaps fewer than all. */
    int32_t low, high;
    unsigned nop;
    struct walk_op op[WALK_MAX_OPS]; /* of each round, in order */
};

/* Is the loop with this head a walk, and is `next` all that it defines and others use?  Looks at a
 * bounded number of instructions.  uses: ir_use_counts. */
bool walk_find(const struct func *f, block head, const uint32_t *uses, struct walk *w);

#endif

/* bounds.h: which accesses cannot leave the tape.
 *
 * The tape is contiguous: what lies between two cells that were accessed is on it, and stays on it.
 * So one interval of offsets is kept for every root pointer (cells.h); an access inside it is safe,
 * any other widens it for all that the access dominates.
 *  - The pointer a program starts with has the whole tape, if its size is known, else cell 0.
 *  - A scan that moves right has accessed the cell it stopped at; to the left of that everything is
 *    on the tape that was so from where it started, as it only moved away from there.
 *  - A phi has what both its operands have at the end of the predecessors.  That of a back edge is
 *    not known at first, so the tree is walked twice: the first walk takes nothing for it and is
 *    right to, and what it finds at the ends of blocks the second may use.  What that one finds may
 *    be used again, and so on: an iteration that steps back knows a cell more with each walk.
 * bounds.c.
 */
#ifndef BFOPT_PASSES_BOUNDS_H
#define BFOPT_PASSES_BOUNDS_H

#include "ir/ir.h"

/* Called for each LOAD, STORE and TOUCH: does what was accessed before on every way here prove that
 * it stays `inside` the tape?  And would it without any access, being `fixed` to a cell at a
 * constant distance from cell 0?  May mark or remove v. */
typedef void bounds_visit(void *context, value v, bool inside, bool fixed);

/* Visits the accesses of all reachable blocks, blocks after those that dominate them. */
void bounds_walk(struct func *f, bounds_visit *visit, void *context);

struct bounds;
typedef void bounds_end(void *context, struct bounds *s, block b);
/* Calls end for each reachable block, with what is known at its end, after one walk more. */
void bounds_at_ends(struct func *f, bounds_end *end, void *context);
/* Are the cells from p + lo to p + hi known to be on the tape? */
bool bounds_knows(struct bounds *s, value p, int64_t lo, int64_t hi);

#endif

/* cfg.h: orders, dominators and natural loops of a function's control-flow graph.
 * Side tables indexed by block; each is made by its function and freed by its own.  cfg.c. */
#ifndef BFOPT_IR_CFG_H
#define BFOPT_IR_CFG_H

#include "ir/ir.h"

/* Reverse post-order of the reachable blocks. */
struct rpo {
    block *order; /* order[0] is the entry */
    uint32_t n;
    uint32_t *pos; /* pos[b.i]: place in order, UINT32_MAX when unreachable */
};
struct rpo cfg_rpo(const struct func *f);
void cfg_rpo_free(struct rpo *r);

/* Dominator tree (Cooper, Harvey, Kennedy 2001), with pre/post numbers for constant-time queries.
 */
struct dom {
    block *idom; /* idom[entry] = NO_BLOCK */
    uint32_t *pre, *post;
};
struct dom cfg_dom(const struct func *f, const struct rpo *r);
bool cfg_dominates(const struct dom *d, block a, block b); /* reflexive */
void cfg_dom_free(struct dom *d);

/* Natural loops; loop 0 means "no loop".  Loops are numbered so that an outer loop comes before
 * the loops inside it. */
struct loop {
    block head;
    uint32_t parent; /* enclosing loop or 0 */
    uint32_t depth;  /* 1 for an outermost loop */
    uint32_t nblock; /* blocks inside, those of inner loops included */
};
struct loops {
    struct loop *loop;
    uint32_t nloop;   /* including the unused loop 0 */
    uint32_t *of;     /* of[b.i]: innermost loop of a block */
    bool irreducible; /* some cycle is entered in two places (its back edges are not loops) */
};
struct loops cfg_loops(const struct func *f, const struct rpo *r, const struct dom *d);
void cfg_loops_free(struct loops *l);

#endif

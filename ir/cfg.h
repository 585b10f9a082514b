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
    uint32_t nblock; /* blocks there were then: of others nothing is known */
};
struct dom cfg_dom(const struct func *f, const struct rpo *r);
bool cfg_dominates(const struct dom *d, block a, block b); /* reflexive */
void cfg_dom_free(struct dom *d);

/* Natural loops; loop 0 means "no loop".  Loops are numbered so that an outer loop comes before
 * the loops inside it. */
struct loop {
    block head;
    uint32_t parent;    /* enclosing loop or 0 */
    uint32_t depth;     /* 1 for an outermost loop */
    uint32_t nblock;    /* blocks inside, those of inner loops included */
    bool innermost;     /* has no loop inside */
    uint32_t pre, post; /* a loop lies in another if its interval does */
};
struct loops {
    struct loop *loop;
    uint32_t nloop;   /* including the unused loop 0 */
    uint32_t *of;     /* of[b.i]: innermost loop of a block, */
    uint32_t nblock;  /* one of those there were then */
    bool irreducible; /* some cycle is entered in two places (its back edges are not loops) */
};
struct loops cfg_loops(const struct func *f, const struct rpo *r, const struct dom *d);
void cfg_loops_free(struct loops *l);
/* The innermost loop of a block; 0 for blocks made since. */
static inline uint32_t cfg_loop_of(const struct loops *l, block b) {
    return b.i < l->nblock ? l->of[b.i] : 0;
}
/* Does loop n (not 0) or a loop inside it hold b? */
static inline bool cfg_in_loop(const struct loops *l, uint32_t n, block b) {
    uint32_t pre = l->loop[cfg_loop_of(l, b)].pre;
    return pre >= l->loop[n].pre && pre < l->loop[n].post;
}

/* All three of a function. */
struct cfg {
    struct rpo rpo;
    struct dom dom;
    struct loops loops;
};
struct cfg cfg_make(const struct func *f);
void cfg_free(struct cfg *c);

/* Writes the blocks of loop n, those of inner loops included, in reverse post-order: its head comes
 * first.  Gives their number; 0 if there are more than room. */
uint32_t cfg_loop_blocks(const struct cfg *c, uint32_t n, block *body, uint32_t room);

#endif

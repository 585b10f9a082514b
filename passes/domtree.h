/* domtree.h: walking the dominator tree, for passes whose facts hold in all a block dominates.
 *
 *   struct domtree t = domtree_make(f, &rpo, &dom);
 *   while (domtree_next(&t))
 *       t.leaving ? leave(t.at) : enter(t.at);
 *
 * A block is entered before the blocks it dominates, and left after them.  Children come in reverse
 * post-order, so a block is entered after all its predecessors but those of back edges.
 * domtree.c.
 */
#ifndef BFOPT_PASSES_DOMTREE_H
#define BFOPT_PASSES_DOMTREE_H

#include "ir/cfg.h"

struct domtree {
    const struct dom *dom;
    uint32_t *start; /* children of b: child[start[b.i]] up to child[start[b.i + 1]] */
    block *child;
    uint32_t *place; /* index of b in child */
    block entry, at; /* at: the block entered or left */
    bool leaving;
};

struct domtree domtree_make(const struct func *f, const struct rpo *r, const struct dom *d);
void domtree_free(struct domtree *t);
bool domtree_next(struct domtree *t);
/* Starts again from the entry. */
void domtree_rewind(struct domtree *t);
/* After a block was entered: do not go into its children. */
void domtree_skip(struct domtree *t);
/* The child of d that dominates b, which d dominates strictly. */
block domtree_child_above(const struct domtree *t, block d, block b);

#endif

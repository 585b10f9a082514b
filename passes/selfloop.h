/* selfloop.h: loops of a single block, which is what innermost loops are, and how to open them.
 *
 *   pre:  ... br %c, body, exit         (guarded; or jmp body, when the first test was folded)
 *   body: ... br %d, body, exit
 *
 * selfloop.c.
 */
#ifndef BFOPT_PASSES_SELFLOOP_H
#define BFOPT_PASSES_SELFLOOP_H

#include "passes/cells.h"

struct selfloop {
    block body, pre, exit;
    value cond;   /* what body's br tests */
    bool guarded; /* pre ends in br guard, body, exit */
    value guard;
};

/* Is b a loop on itself that goes on while its condition is not 0?  Fills l if so. */
bool selfloop_find(struct func *f, block b, struct selfloop *l);

/* Sets the mark of every value that is used in another block than its own, clears all others.  A
 * pass that creates such a use sets the mark itself. */
void selfloop_mark_escapes(struct func *f);

/* Is v what cell id holds at the end of b?  Also says that b accesses the cell.  Looks at the last
 * few instructions only. */
bool selfloop_holds(struct cells *c, block b, uint32_t id, value v);

/* Do the exit's phis take the same from the body as when it is skipped? */
bool selfloop_phis_agree(struct func *f, const struct selfloop *l);
/* Removes the back edge: body ends in jmp exit. */
void selfloop_open(struct func *f, const struct selfloop *l);
/* Removes the guard of an opened loop, and merges pre, body and exit as far as possible.  Returns
 * the block body is part of now. */
block selfloop_inline(struct func *f, const struct selfloop *l);

/* Calls `rewrite` for each block there is, and then for what it returns, the block that one became
 * part of, which may be a loop of its own now; NO_BLOCK: go on.  Blocks made meanwhile are not
 * visited: they are not loops.  Marks are set as selfloop_mark_escapes sets them. */
typedef block selfloop_fn(void *pass, block b);
void selfloop_each(struct func *f, selfloop_fn *rewrite, void *pass);

/* Appends to b the blocks that b alone leads to. */
void block_absorb(struct func *f, block b);

#endif

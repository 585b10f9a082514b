/* domtree.c: the dominator tree with its children in one array; see domtree.h.  No recursion: the
 * way back up is the tree itself. */
#include "passes/domtree.h"

#include "runtime/alloc.h"

struct domtree domtree_make(const struct func *f, const struct rpo *r, const struct dom *d) {
    struct domtree t = {.dom = d,
                        .start = xcalloc((size_t)f->nblock + 2, sizeof(uint32_t)),
                        .child = xalloc(f->nblock, sizeof(block)),
                        .place = xcalloc(f->nblock, sizeof(uint32_t)),
                        .entry = f->entry};
    /* Counted two places up, so that after filling start[b] is where b's children begin. */
    for (uint32_t i = 1; i < r->n; i++)
        t.start[d->idom[r->order[i].i].i + 2]++;
    for (uint32_t i = 2; i < f->nblock + 2; i++)
        t.start[i] += t.start[i - 1];
    for (uint32_t i = 1; i < r->n; i++) {
        block b = r->order[i];
        uint32_t n = t.start[d->idom[b.i].i + 1]++;
        t.child[n] = b;
        t.place[b.i] = n;
    }
    return t;
}

void domtree_free(struct domtree *t) {
    xfree(t->start);
    xfree(t->child);
    xfree(t->place);
}

bool domtree_next(struct domtree *t) {
    block b = t->at;
    if (!b.i) {
        t->at = t->entry;
        return true;
    }
    if (!t->leaving) {
        if (t->start[b.i] == t->start[b.i + 1])
            t->leaving = true;
        else
            t->at = t->child[t->start[b.i]];
        return true;
    }
    block up = t->dom->idom[b.i];
    if (!up.i)
        return false;
    t->leaving = t->place[b.i] + 1 == t->start[up.i + 1];
    t->at = t->leaving ? up : t->child[t->place[b.i] + 1];
    return true;
}

void domtree_rewind(struct domtree *t) {
    t->at = NO_BLOCK;
    t->leaving = false;
}

void domtree_skip(struct domtree *t) {
    t->leaving = true;
}

block domtree_child_above(const struct domtree *t, block d, block b) {
    uint32_t lo = t->start[d.i], hi = t->start[d.i + 1];
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (t->dom->pre[t->child[mid].i] <= t->dom->pre[b.i])
            lo = mid;
        else
            hi = mid;
    }
    return t->child[lo];
}

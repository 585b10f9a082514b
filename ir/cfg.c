/* cfg.c: reverse post-order, dominators and natural loops.  All without recursion.
 *
 * Dominators: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm" (2001); on the
 * reducible graphs Brainfuck makes, its first sweep already gives the answer and the second
 * confirms it. Loops: one per head of back edges (an edge to a dominator), bodies found backwards
 * from the latches, inner loops first, each finished loop stepped over through its head, so that
 * the whole takes near-linear time (as in Havlak, TOPLAS 1997). */
#include "ir/cfg.h"

#include <assert.h>
#include <string.h>

#include "runtime/alloc.h"

/* ---- reverse post-order ---- */

struct rpo cfg_rpo(const struct func *f) {
    struct rpo r = {.order = xalloc(f->nblock, sizeof(block)),
                    .pos = xalloc(f->nblock, sizeof(uint32_t))};
    struct frame {
        block b;
        unsigned next;
    } *stack = xalloc(f->nblock, sizeof *stack);
    bool *seen = xcalloc(f->nblock, sizeof *seen);
    uint32_t depth = 0, fill = f->nblock;
    stack[depth++] = (struct frame){f->entry, 0};
    seen[f->entry.i] = true;
    while (depth > 0) {
        struct frame *top = &stack[depth - 1];
        const struct block_data *d = ir_block(f, top->b);
        if (top->next == d->nsucc) {
            r.order[--fill] = top->b;
            depth--;
            continue;
        }
        /* The last successor first: it ends up behind the others, so that a loop's body follows
         * its guard and the exit comes after. */
        block s = d->succ[d->nsucc - 1 - top->next++];
        if (!seen[s.i]) {
            seen[s.i] = true;
            stack[depth++] = (struct frame){s, 0};
        }
    }
    r.n = f->nblock - fill;
    memmove(r.order, r.order + fill, r.n * sizeof(block));
    memset(r.pos, 0xff, f->nblock * sizeof *r.pos);
    for (uint32_t i = 0; i < r.n; i++)
        r.pos[r.order[i].i] = i;
    xfree(stack);
    xfree(seen);
    return r;
}

void cfg_rpo_free(struct rpo *r) {
    xfree(r->order);
    xfree(r->pos);
}

/* ---- dominators ---- */

/* The nearest common dominator of a and b in the tree built so far. */
static block common_dominator(const struct dom *d, const struct rpo *r, block a, block b) {
    while (!same_block(a, b)) {
        while (r->pos[a.i] > r->pos[b.i])
            a = d->idom[a.i];
        while (r->pos[b.i] > r->pos[a.i])
            b = d->idom[b.i];
    }
    return a;
}

static bool dom_sweep(const struct func *f, const struct rpo *r, struct dom *d) {
    bool changed = false;
    for (uint32_t i = 1; i < r->n; i++) {
        block b = r->order[i], best = NO_BLOCK;
        const struct block_data *bd = ir_block(f, b);
        for (unsigned n = 0; n < bd->npred; n++) {
            block p = bd->pred[n];
            if (r->pos[p.i] == UINT32_MAX || (!d->idom[p.i].i && !same_block(p, f->entry)))
                continue;
            best = best.i ? common_dominator(d, r, best, p) : p;
        }
        if (!same_block(best, d->idom[b.i])) {
            d->idom[b.i] = best;
            changed = true;
        }
    }
    return changed;
}

/* Numbers the dominator tree.  A block's subtree size is known after a sweep in post-order; a
 * second sweep in reverse post-order hands each block its interval [pre, post). */
static void dom_number(const struct func *f, const struct rpo *r, struct dom *d) {
    uint32_t *size = xcalloc(f->nblock, sizeof *size), *next = xcalloc(f->nblock, sizeof *next);
    for (uint32_t i = r->n; i-- > 0;) {
        block b = r->order[i];
        size[b.i]++;
        if (i > 0)
            size[d->idom[b.i].i] += size[b.i];
    }
    for (uint32_t i = 0; i < r->n; i++) {
        block b = r->order[i], up = d->idom[b.i];
        d->pre[b.i] = i == 0 ? 0 : next[up.i];
        d->post[b.i] = d->pre[b.i] + size[b.i];
        next[b.i] = d->pre[b.i] + 1;
        if (i > 0)
            next[up.i] = d->post[b.i];
    }
    xfree(size);
    xfree(next);
}

struct dom cfg_dom(const struct func *f, const struct rpo *r) {
    struct dom d = {.idom = xcalloc(f->nblock, sizeof(block)),
                    .pre = xcalloc(f->nblock, sizeof(uint32_t)),
                    .post = xcalloc(f->nblock, sizeof(uint32_t)),
                    .nblock = f->nblock};
    while (dom_sweep(f, r, &d))
        ;
    dom_number(f, r, &d);
    return d;
}

bool cfg_dominates(const struct dom *d, block a, block b) {
    assert(a.i < d->nblock && b.i < d->nblock);
    return d->pre[a.i] <= d->pre[b.i] && d->post[b.i] <= d->post[a.i] && d->post[b.i] != 0;
}

void cfg_dom_free(struct dom *d) {
    xfree(d->idom);
    xfree(d->pre);
    xfree(d->post);
}

/* ---- loops ---- */

/* The outermost loop found so far around `loop`, with path halving. */
static uint32_t outermost(uint32_t *top, uint32_t loop) {
    while (top[loop] != loop) {
        top[loop] = top[top[loop]];
        loop = top[loop];
    }
    return loop;
}

struct loop_finder {
    const struct func *f;
    const struct rpo *r;
    const struct dom *d;
    struct loops *l;
    uint32_t *top; /* union-find over loops: the outermost finished loop */
    block *stack;
};

/* Gives the blocks that reach the latch without passing the head to loop n. */
static void fill_loop(struct loop_finder *lf, uint32_t n, block latch) {
    uint32_t depth = 0;
    struct loops *l = lf->l;
    block head = l->loop[n].head;
    lf->stack[depth++] = latch;
    while (depth > 0) {
        block b = lf->stack[--depth];
        if (lf->r->pos[b.i] == UINT32_MAX)
            continue;
        uint32_t in = l->of[b.i];
        if (in != 0) {
            in = outermost(lf->top, in);
            if (in == n)
                continue;
            l->loop[in].parent = n;
            lf->top[in] = n;
            b = l->loop[in].head;
        } else {
            l->of[b.i] = n;
            if (same_block(b, head))
                continue;
        }
        const struct block_data *d = ir_block(lf->f, b);
        for (unsigned p = 0; p < d->npred; p++)
            if (!cfg_dominates(lf->d, b, d->pred[p])) /* not its own back edge */
                lf->stack[depth++] = d->pred[p];
    }
}

static void find_loop(struct loop_finder *lf, block b) {
    struct loops *l = lf->l;
    const struct block_data *d = ir_block(lf->f, b);
    uint32_t n = 0;
    for (unsigned p = 0; p < d->npred; p++) {
        block latch = d->pred[p];
        if (lf->r->pos[latch.i] == UINT32_MAX)
            continue;
        if (!cfg_dominates(lf->d, b, latch)) {
            if (lf->r->pos[latch.i] >= lf->r->pos[b.i])
                l->irreducible = true;
            continue;
        }
        if (n == 0) {
            n = l->nloop++;
            l->loop[n] = (struct loop){.head = b};
            lf->top[n] = n;
            l->of[b.i] = n;
        }
        fill_loop(lf, n, latch);
    }
}

/* Turns loop numbers around (heads were found innermost first) and adds depths and sizes. */
static void number_loops(const struct rpo *r, struct loops *l) {
    uint32_t last = l->nloop - 1;
    for (uint32_t i = 1, j = last; i < j; i++, j--) {
        struct loop t = l->loop[i];
        l->loop[i] = l->loop[j];
        l->loop[j] = t;
    }
    for (uint32_t i = 1; i <= last; i++)
        if (l->loop[i].parent)
            l->loop[i].parent = last + 1 - l->loop[i].parent;
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t *of = &l->of[r->order[i].i];
        if (*of) {
            *of = last + 1 - *of;
            l->loop[*of].nblock++;
        }
    }
    for (uint32_t i = 1; i <= last; i++)
        l->loop[i].depth = 1 + (l->loop[i].parent ? l->loop[l->loop[i].parent].depth : 0);
    for (uint32_t i = 1; i <= last; i++)
        l->loop[i].innermost = true;
    for (uint32_t i = last; i > 0; i--) {
        struct loop *up = &l->loop[l->loop[i].parent]; /* maybe loop 0, which nobody looks at */
        up->nblock += l->loop[i].nblock;
        up->innermost = false;
    }
    l->loop[0] = (struct loop){0};
}

/* Gives each loop its interval of the tree, as dom_number does; loop 0 is the root. */
static void number_nests(struct loops *l) {
    uint32_t *size = xcalloc(l->nloop, sizeof *size), *next = xcalloc(l->nloop, sizeof *next);
    for (uint32_t i = l->nloop; i-- > 1;)
        size[l->loop[i].parent] += ++size[i];
    next[0] = 1;
    for (uint32_t i = 1; i < l->nloop; i++) {
        struct loop *in = &l->loop[i];
        in->pre = next[in->parent];
        in->post = next[in->parent] = in->pre + size[i];
        next[i] = in->pre + 1;
    }
    xfree(size);
    xfree(next);
}

struct loops cfg_loops(const struct func *f, const struct rpo *r, const struct dom *d) {
    struct loops l = {.nloop = 1, .nblock = f->nblock};
    uint32_t heads = 1;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct block_data *b = ir_block(f, r->order[i]);
        for (unsigned p = 0; p < b->npred; p++)
            heads +=
                r->pos[b->pred[p].i] != UINT32_MAX && cfg_dominates(d, r->order[i], b->pred[p]);
    }
    l.loop = xcalloc(heads, sizeof *l.loop);
    l.of = xcalloc(f->nblock, sizeof *l.of);
    struct loop_finder lf = {f,
                             r,
                             d,
                             &l,
                             xcalloc(heads, sizeof(uint32_t)),
                             xalloc(2 * (size_t)f->nblock + 2, sizeof(block))};
    for (uint32_t i = r->n; i-- > 0;)
        find_loop(&lf, r->order[i]);
    number_loops(r, &l);
    number_nests(&l);
    xfree(lf.top);
    xfree(lf.stack);
    return l;
}

void cfg_loops_free(struct loops *l) {
    xfree(l->loop);
    xfree(l->of);
}

struct cfg cfg_make(const struct func *f) {
    struct cfg c = {.rpo = cfg_rpo(f)};
    c.dom = cfg_dom(f, &c.rpo);
    c.loops = cfg_loops(f, &c.rpo, &c.dom);
    return c;
}

void cfg_free(struct cfg *c) {
    cfg_loops_free(&c->loops);
    cfg_dom_free(&c->dom);
    cfg_rpo_free(&c->rpo);
}

/* All of them lie behind the head in reverse post-order, and few others before the last of them. */
uint32_t cfg_loop_blocks(const struct cfg *c, uint32_t n, block *body, uint32_t room) {
    const struct loop *l = &c->loops.loop[n];
    if (l->nblock > room)
        return 0;
    uint32_t found = 0;
    for (uint32_t i = c->rpo.pos[l->head.i]; i < c->rpo.n && found < l->nblock; i++)
        if (cfg_in_loop(&c->loops, n, c->rpo.order[i]))
            body[found++] = c->rpo.order[i];
    return found;
}

/* promote.c: the cells of balanced loops live in values: loaded before, stored after.
 *
 *   b2: %3 = load %1          %4 = add %3, -1    store %1, %4       %5 = load %1 + 1 ...
 *       br %4, b2, b3
 * =>
 *   b4: %8 = load %1          %9 = load %1 + 1           (on the way in)
 *   b2: %6 = phi %8, %4       %7 = phi %9, %5 ...
 *       br %4, b2, b5
 *   b5: store %1, %4          store %1 + 1, %5           (on each way out)
 *
 * A loop is open to this if every memory access in it is to one pointer that comes from outside, at
 * known offsets.  The outermost such loops go first; loops inside get what is left over.  Where the
 * values of a cell meet, phis are placed by iterated dominance frontiers (Cytron et al., TOPLAS
 * 1991), for up to PROMOTE_CELLS cells of a loop at once.
 *
 * Traps: a load on the way in may only go where the source would go off the tape before it prints
 * anything: to cells between accesses that are certain to come, in the loop or behind a way out of
 * it (anticipated.h), and to cells at a known place inside the tape.  Cells that each iteration
 * accesses are loaded first, in their order, so that an error is mostly reported where it is.
 * Under --strict only the head's first accesses count, and their touches are repeated before the
 * loads, so that the first access to trap is the source's.
 *
 * Relies on: rotated loops (the head runs whenever the loop is entered).
 * Tests: tests/ir/promote. */
#include <string.h>

#include "ir/cfg.h"
#include "passes/anticipated.h"
#include "passes/cells.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define PROMOTE_CELLS  12   /* cells of one loop; sets of them are bit masks */
#define PROMOTE_BLOCKS 4096 /* larger loops are left alone: keeps the pass linear */
#define PROMOTE_ROUNDS 4    /* loop levels served, outermost first; one may have two */
#define MAX_CANDIDATES 256  /* distinct cells of a loop that are looked at */

/* What is known of one loop. */
struct shape {
    value root;  /* the only pointer accessed, NO_VALUE: none yet */
    bool closed; /* no access to anything else */
    bool busy;   /* this round promoted in it or around it */
};

/* A cell of a loop. */
struct candidate {
    int64_t off;
    uint64_t weight; /* accesses, eight times as much for each loop level */
    uint32_t src;
    bool certain; /* accessed by every iteration before any I/O */
    bool proves;  /* the outermost certain ones: the tape reaches from one to the other */
};

struct promote {
    struct func *f;
    struct pass_env *env;
    struct cfg cfg;
    struct cells cells;
    struct anticipated anticipated; /* not if strict */
    struct shape *shape;
    unsigned *taken; /* per block, heads of loops: cells that are promoted */
    uint32_t ntaken;
    /* The loop at hand. */
    uint32_t loop;
    block latch;
    block *body; /* its blocks in reverse post-order */
    uint32_t nbody;
    uint32_t *index; /* per block of the function: place in body, UINT32_MAX outside */
    uint32_t nindex; /* blocks made since are outside */
    int64_t off[PROMOTE_CELLS];
    uint32_t src[PROMOTE_CELLS]; /* of the first access, or the first certain one */
    unsigned ncell;
    struct candidate *touch; /* strict: what the head accesses first, in its order */
    unsigned ntouch;
    uint32_t *defs, *phis; /* per body block: masks of cells stored to, of cells with a phi */
    value *out;            /* per body block and cell: the value at its end */
    value *phi;            /* per body block and cell */
};

/* ---- which loops ---- */

/* The place of block b in the body, UINT32_MAX if it is outside. */
static uint32_t body_index(const struct promote *p, block b) {
    return b.i < p->nindex ? p->index[b.i] : UINT32_MAX;
}

static void see_access(struct promote *p, uint32_t loop, value v) {
    struct shape *s = &p->shape[loop];
    const struct insn *in = ir_at(p->f, v);
    if (in->op != OP_LOAD && in->op != OP_STORE && in->op != OP_TOUCH) {
        s->closed = false;
        return;
    }
    value root = cells_address(&p->cells, in->a, in->imm).root;
    if (s->root.i == 0)
        s->root = root;
    else if (!same_value(s->root, root))
        s->closed = false;
}

static bool touches_tape(const struct func *f, value v) {
    return ir_has(f, v, EFF_READ | EFF_WRITE) || ir_is(f, v, OP_TOUCH);
}

/* Inner loops are numbered after outer ones: one sweep down hands every loop what its inner loops
 * access. */
static void find_shapes(struct promote *p) {
    for (uint32_t n = 0; n < p->cfg.loops.nloop; n++)
        p->shape[n].closed = true;
    for (uint32_t i = 0; i < p->cfg.rpo.n; i++) {
        block b = p->cfg.rpo.order[i];
        if (p->cfg.loops.of[b.i] == 0)
            continue;
        IR_FOR_INSNS (p->f, b, v)
            if (touches_tape(p->f, v))
                see_access(p, p->cfg.loops.of[b.i], v);
    }
    for (uint32_t n = p->cfg.loops.nloop; n-- > 1;) {
        struct shape *in = &p->shape[n], *up = &p->shape[p->cfg.loops.loop[n].parent];
        if (in->root.i &&
            cfg_dominates(&p->cfg.dom, p->cfg.loops.loop[n].head, ir_home(p->f, in->root)))
            in->closed = false; /* the pointer is the loop's own */
        up->closed &= in->closed;
        if (up->root.i == 0)
            up->root = in->root;
        else if (in->root.i != 0 && !same_value(up->root, in->root))
            up->closed = false;
    }
}

/* ---- which cells ---- */

#define CANDIDATE_SLOTS (2 * MAX_CANDIDATES) /* a power of two */

struct candidates {
    struct candidate at[MAX_CANDIDATES];
    unsigned n;
    uint16_t slot[CANDIDATE_SLOTS]; /* hash table: place in at[] and 1; 0: free */
};

static struct candidate *candidate_of(struct candidates *c, int64_t off) {
    uint32_t h = (uint32_t)off * 2654435769u >> 16 & (CANDIDATE_SLOTS - 1);
    for (; c->slot[h] != 0; h = (h + 1) & (CANDIDATE_SLOTS - 1))
        if (c->at[c->slot[h] - 1].off == off)
            return &c->at[c->slot[h] - 1];
    if (c->n == MAX_CANDIDATES)
        return NULL;
    c->at[c->n] = (struct candidate){.off = off, .src = NO_SRC};
    c->slot[h] = (uint16_t)++c->n;
    return &c->at[c->n - 1];
}

static uint64_t block_weight(const struct promote *p, block b) {
    uint32_t depth =
        p->cfg.loops.loop[p->cfg.loops.of[b.i]].depth - p->cfg.loops.loop[p->loop].depth;
    return UINT64_C(1) << (3 * (depth < 10 ? depth : 10));
}

/* Does block b of the loop run in every iteration? */
static bool runs_always(const struct promote *p, block b) {
    return cfg_dominates(&p->cfg.dom, b, p->latch);
}

/* Can the loop be left behind block b, though not at its end?  Then what follows may never run: the
 * way may lead to an endless loop, which is no part of this one. */
static bool leaves_early(const struct promote *p, block b) {
    const struct block_data *d = ir_block(p->f, b);
    for (unsigned n = 0; n < d->nsucc; n++)
        if (!same_block(b, p->latch) && !cfg_in_loop(&p->cfg.loops, p->loop, d->succ[n]))
            return true;
    return false;
}

/* Is the pointer of loop n at cell 0, so that each cell on the tape may be loaded at any time? */
static bool knows_tape(const struct promote *p, uint32_t n) {
    return p->f->program && ir_is(p->f, p->shape[n].root, OP_TAPE);
}

/* Does the head access a cell before any I/O? */
static bool head_touches(const struct promote *p, block head) {
    IR_FOR_INSNS (p->f, head, v) {
        if (touches_tape(p->f, v))
            return true;
        if (ir_has(p->f, v, EFF_IO))
            return false;
    }
    return false;
}

/* Which cells of the loop are certain to be accessed once it is entered, as an interval that may be
 * empty?  In strict functions this is not known. */
static bool is_anticipated(const struct promote *p, int64_t *lo, int64_t *hi) {
    return !p->f->strict && anticipated_at(&p->anticipated, p->cfg.loops.loop[p->loop].head,
                                           p->shape[p->loop].root, lo, hi);
}

/* Can any cell of the loop be loaded on the way in? */
static bool may_load(const struct promote *p) {
    int64_t lo, hi;
    return knows_tape(p, p->loop) || is_anticipated(p, &lo, &hi) ||
           (p->f->strict && head_touches(p, p->cfg.loops.loop[p->loop].head));
}

static void collect_candidates(struct promote *p, struct candidates *c) {
    bool barrier = false; /* I/O, an inner loop, which may not end, or a way out may come before */
    c->n = 0;
    memset(c->slot, 0, sizeof c->slot);
    for (uint32_t i = 0; i < p->nbody; i++) {
        block b = p->body[i];
        barrier |= p->cfg.loops.of[b.i] != p->loop || (i > 0 && p->f->strict);
        bool always = runs_always(p, b);
        IR_FOR_INSNS (p->f, b, v) {
            const struct insn *in = ir_at(p->f, v);
            barrier |= ir_has(p->f, v, EFF_IO) && in->op != OP_TOUCH;
            bool certain = always && !barrier;
            if (in->op != OP_LOAD && in->op != OP_STORE && in->op != OP_TOUCH)
                continue;
            struct candidate *k = candidate_of(c, cells_address(&p->cells, in->a, in->imm).off);
            if (!k)
                continue;
            if (in->op != OP_TOUCH)
                k->weight += block_weight(p, b);
            if (k->src == NO_SRC || (certain && !k->certain))
                k->src = in->src;
            k->certain |= certain;
        }
        barrier |= leaves_early(p, b);
    }
}

/* Is the cell at a known place inside the tape? */
static bool in_range(const struct promote *p, int64_t off) {
    return knows_tape(p, p->loop) && off >= 0 && (uint64_t)off < p->f->tape_cells;
}

/* Drops the candidates that may not be loaded on the way in, or are not worth it. */
static void drop_unsafe(const struct promote *p, struct candidates *c) {
    int64_t lo, hi;
    if (!is_anticipated(p, &lo, &hi)) {
        lo = INT64_MAX;
        hi = INT64_MIN;
    }
    for (unsigned n = 0; n < c->n; n++) {
        if (!c->at[n].certain)
            continue;
        lo = c->at[n].off < lo ? c->at[n].off : lo;
        hi = c->at[n].off > hi ? c->at[n].off : hi;
    }
    unsigned kept = 0;
    for (unsigned n = 0; n < c->n; n++) {
        struct candidate k = c->at[n];
        bool between = k.off >= lo && k.off <= hi;
        k.proves = k.off == lo || k.off == hi;
        if (k.weight > 0 && (k.certain || between || in_range(p, k.off)))
            c->at[kept++] = k;
    }
    c->n = kept;
}

/* Keeps the heaviest candidates, as many as there is room for; those that prove others safe always.
 */
static void keep_heaviest(struct candidates *c, unsigned room) {
    while (c->n > room) {
        unsigned lightest = 0;
        for (unsigned n = 1; n < c->n; n++)
            if (!c->at[n].proves &&
                (c->at[lightest].proves || c->at[n].weight <= c->at[lightest].weight))
                lightest = n;
        memmove(&c->at[lightest], &c->at[lightest + 1], (--c->n - lightest) * sizeof c->at[0]);
    }
}

/* The cells that are promoted: first those the head is certain to access, in the order of their
 * first access, so that the first load to trap is the first access that would have. */
static void choose_cells(struct promote *p, struct candidates *c) {
    p->ntouch = 0;
    for (unsigned n = 0; n < c->n && p->f->strict; n++)
        if (c->at[n].certain)
            p->touch[p->ntouch++] = c->at[n];
    if (c->n == MAX_CANDIDATES && p->f->strict)
        c->n = 0; /* the order of what did not fit is not known */
    drop_unsafe(p, c);
    keep_heaviest(c, PROMOTE_CELLS - p->taken[p->cfg.loops.loop[p->loop].head.i]);
    p->ncell = 0;
    for (int certain = 1; certain >= 0; certain--) {
        for (unsigned n = 0; n < c->n; n++) {
            if (c->at[n].certain != (bool)certain)
                continue;
            p->off[p->ncell] = c->at[n].off;
            p->src[p->ncell++] = c->at[n].src;
        }
    }
}

/* ---- values instead of cells ---- */

static int cell_index(struct promote *p, value v) {
    const struct insn *in = ir_at(p->f, v);
    if (in->op != OP_LOAD && in->op != OP_STORE)
        return -1;
    int64_t off = cells_address(&p->cells, in->a, in->imm).off;
    for (unsigned k = 0; k < p->ncell; k++)
        if (p->off[k] == off)
            return (int)k;
    return -1;
}

static void find_defs(struct promote *p) {
    for (uint32_t i = 0; i < p->nbody; i++) {
        p->defs[i] = p->phis[i] = 0;
        IR_FOR_INSNS (p->f, p->body[i], v) {
            int k = ir_is(p->f, v, OP_STORE) ? cell_index(p, v) : -1;
            if (k >= 0)
                p->defs[i] |= 1u << k;
        }
    }
}

/* One sweep of phi placement: what is defined between a join and its immediate dominator needs a
 * phi there.  True if a phi was added, which is a definition itself. */
static bool place_phis(struct promote *p) {
    bool changed = false;
    for (uint32_t i = 0; i < p->nbody; i++) {
        block j = p->body[i];
        const struct block_data *d = ir_block(p->f, j);
        if (d->npred < 2)
            continue;
        uint32_t mask = 0;
        for (unsigned n = 0; n < 2; n++) {
            block stop = i == 0 ? NO_BLOCK : p->cfg.dom.idom[j.i];
            for (block b = d->pred[n]; !same_block(b, stop); b = p->cfg.dom.idom[b.i]) {
                uint32_t at = body_index(p, b);
                if (at == UINT32_MAX)
                    break; /* the way in */
                mask |= p->defs[at] | p->phis[at];
            }
        }
        if (mask & ~p->phis[i]) {
            p->phis[i] |= mask;
            changed = true;
        }
    }
    return changed;
}

/* The block before the loop that every way in passes: where the loads go. */
static block make_way_in(struct promote *p) {
    block head = p->body[0];
    const struct block_data *d = ir_block(p->f, head);
    unsigned n = body_index(p, d->pred[0]) == UINT32_MAX ? 0 : 1;
    block from = d->pred[n];
    if (ir_block(p->f, from)->nsucc == 1)
        return from;
    return ir_split_edge(p->f, from, same_block(ir_block(p->f, from)->succ[1], head) ? 1 : 0);
}

static void load_cells(struct promote *p, block way_in, value *loaded) {
    value root = p->shape[p->loop].root;
    for (unsigned k = 0; k < p->ntouch; k++)
        ir_append(p->f, way_in, OP_TOUCH, root, NO_VALUE, p->touch[k].off, p->touch[k].src);
    for (unsigned k = 0; k < p->ncell; k++)
        loaded[k] = ir_append(p->f, way_in, OP_LOAD, root, NO_VALUE, p->off[k], p->src[k]);
}

static void make_phis(struct promote *p) {
    for (uint32_t i = 0; i < p->nbody; i++)
        for (unsigned k = 0; k < p->ncell; k++)
            p->phi[i * PROMOTE_CELLS + k] =
                p->phis[i] >> k & 1 ? ir_phi(p->f, p->body[i], KIND_CELL, NO_VALUE, NO_VALUE)
                                    : NO_VALUE;
}

/* The value of cell k where block `to` is entered from its predecessor slot n. */
static value value_from(struct promote *p, block to, unsigned n, unsigned k, const value *loaded) {
    block from = ir_block(p->f, to)->pred[n];
    uint32_t i = body_index(p, from);
    return i == UINT32_MAX ? loaded[k] : p->out[i * PROMOTE_CELLS + k];
}

/* Replaces the accesses of block i, in order. */
static void rename_block(struct promote *p, uint32_t i, const value *loaded) {
    block b = p->body[i];
    value *now = &p->out[i * PROMOTE_CELLS];
    for (unsigned k = 0; k < p->ncell; k++) {
        value phi = p->phi[i * PROMOTE_CELLS + k];
        if (phi.i)
            now[k] = phi;
        else
            now[k] =
                i == 0 ? loaded[k] : p->out[p->index[p->cfg.dom.idom[b.i].i] * PROMOTE_CELLS + k];
    }
    IR_FOR_INSNS_SAFE (p->f, b, v) {
        int k = cell_index(p, v);
        if (k < 0)
            continue;
        if (ir_is(p->f, v, OP_LOAD)) {
            ir_replace(p->f, v, now[k]);
        } else {
            now[k] = ir_resolve(p->f, ir_at(p->f, v)->b);
            ir_remove(p->f, v);
        }
    }
}

static void complete_phis(struct promote *p, const value *loaded) {
    for (uint32_t i = 0; i < p->nbody; i++) {
        for (unsigned k = 0; k < p->ncell; k++) {
            value phi = p->phi[i * PROMOTE_CELLS + k];
            if (!phi.i)
                continue;
            value a = value_from(p, p->body[i], 0, k, loaded);
            value b = value_from(p, p->body[i], 1, k, loaded);
            ir_at(p->f, phi)->a = a;
            ir_at(p->f, phi)->b = b;
        }
    }
}

/* Stores what changed on each edge that leaves the loop. */
static void store_cells(struct promote *p) {
    uint32_t stored = 0;
    value root = p->shape[p->loop].root;
    for (uint32_t i = 0; i < p->nbody; i++)
        stored |= p->defs[i];
    for (uint32_t i = 0; i < p->nbody; i++) {
        for (unsigned n = 0; n < ir_block(p->f, p->body[i])->nsucc; n++) {
            block to = ir_block(p->f, p->body[i])->succ[n];
            if (body_index(p, to) != UINT32_MAX)
                continue;
            block way_out =
                ir_block(p->f, to)->npred == 1 ? to : ir_split_edge(p->f, p->body[i], n);
            value at = ir_block(p->f, way_out)->first;
            for (unsigned k = 0; k < p->ncell; k++)
                if (stored >> k & 1)
                    ir_before(p->f, at, OP_STORE, root, p->out[i * PROMOTE_CELLS + k], p->off[k],
                              p->src[k]);
        }
    }
}

static void promote_loop(struct promote *p) {
    value loaded[PROMOTE_CELLS];
    find_defs(p);
    while (place_phis(p))
        ;
    block way_in = make_way_in(p);
    load_cells(p, way_in, loaded);
    make_phis(p);
    for (uint32_t i = 0; i < p->nbody; i++)
        rename_block(p, i, loaded);
    complete_phis(p, loaded);
    store_cells(p);
    pass_count(p->env, "cells", p->ncell);
    pass_count(p->env, "loops", 1);
}

/* ---- the pass ---- */

static bool list_body(struct promote *p, uint32_t n) {
    p->nbody = cfg_loop_blocks(&p->cfg, n, p->body, PROMOTE_BLOCKS);
    for (uint32_t i = 0; i < p->nbody; i++)
        p->index[p->body[i].i] = i;
    return p->nbody > 0;
}

static void forget_body(struct promote *p) {
    for (uint32_t i = 0; i < p->nbody; i++)
        p->index[p->body[i].i] = UINT32_MAX;
}

/* Promotes in loop n if it can be; true if anything changed. */
static bool try_loop(struct promote *p, uint32_t n) {
    struct candidates c;
    block head = p->cfg.loops.loop[n].head;
    if (!p->shape[n].closed || p->shape[n].root.i == 0)
        return false;
    const struct block_data *d = ir_block(p->f, head);
    p->loop = n;
    p->latch = d->pred[cfg_in_loop(&p->cfg.loops, n, d->pred[0]) ? 0 : 1];
    if (!may_load(p) || !list_body(p, n))
        return false;
    collect_candidates(p, &c);
    choose_cells(p, &c);
    bool does = p->ncell > 0 && pass_may(p->env);
    if (does)
        promote_loop(p);
    p->taken[head.i] += does ? p->ncell : 0;
    forget_body(p);
    return does;
}

static void round_begin(struct promote *p) {
    struct func *f = p->f;
    p->cfg = cfg_make(f);
    cells_init(&p->cells, f);
    p->shape = xcalloc(p->cfg.loops.nloop, sizeof *p->shape);
    p->nindex = f->nblock;
    p->index = xalloc(p->nindex, sizeof *p->index);
    memset(p->index, 0xff, p->nindex * sizeof *p->index);
    p->taken = xrealloc(p->taken, f->nblock, sizeof *p->taken);
    memset(p->taken + p->ntaken, 0, (f->nblock - p->ntaken) * sizeof *p->taken);
    p->ntaken = f->nblock;
    find_shapes(p);
    if (!f->strict)
        p->anticipated = anticipated_make(f, &p->cfg, &p->cells);
}

static void round_end(struct promote *p) {
    xfree(p->index);
    xfree(p->shape);
    if (!p->f->strict)
        anticipated_free(&p->anticipated);
    cells_free(&p->cells);
    cfg_free(&p->cfg);
    ir_settle(p->f);
}

/* Outer loops come first; what is inside one that changed waits for the next round. */
static bool promote_round(struct promote *p) {
    bool changed = false;
    round_begin(p);
    for (uint32_t n = 1; n < p->cfg.loops.nloop; n++) {
        p->shape[n].busy = p->shape[p->cfg.loops.loop[n].parent].busy || try_loop(p, n);
        changed |= p->shape[n].busy;
    }
    round_end(p);
    return changed;
}

bool pass_promote(struct func *f, struct pass_env *env) {
    struct promote p = {.f = f, .env = env};
    p.body = xalloc(PROMOTE_BLOCKS, sizeof *p.body);
    p.touch = xalloc(MAX_CANDIDATES, sizeof *p.touch);
    p.defs = xalloc(PROMOTE_BLOCKS, sizeof *p.defs);
    p.phis = xalloc(PROMOTE_BLOCKS, sizeof *p.phis);
    p.out = xalloc((size_t)PROMOTE_BLOCKS * PROMOTE_CELLS, sizeof *p.out);
    p.phi = xalloc((size_t)PROMOTE_BLOCKS * PROMOTE_CELLS, sizeof *p.phi);
    bool changed = false;
    for (unsigned n = 0; n < PROMOTE_ROUNDS && promote_round(&p); n++)
        changed = true;
    xfree(p.taken);
    xfree(p.body);
    xfree(p.touch);
    xfree(p.defs);
    xfree(p.phis);
    xfree(p.out);
    xfree(p.phi);
    return changed;
}

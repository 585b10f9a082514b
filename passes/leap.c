/* leap.c: ways over empty records, out and back, are gone in one step.
 *
 *   out:   b2: %3 = phi b1 %1, b2 %5            [ take along %3 + 0, a number of records, and cells
 *              ... to %3 + 784                    %3 + 1, ...; leave a mark in each record
 *              store %3 + 795, (1 more)           that is entered ]
 *              br (load %5), b2, b3
 *   between:   anything that stays near the record that was reached
 *   back:  b7: %9 = phi b6 %8, b7 %10           [ while there is a mark, take it away, and take
 *              ...                                other cells along ]
 *              br (load %10), b7, b8
 *
 *   =>  out:      look at the records from %1 + 784 on, as many as %1 counts; are all cells that
 *                 out or back would use there 0?  Then bring the cells to the last one, mark it
 *                 alone, and set a flag.  Else the old loop.
 *       between:  as it was
 *       back:     if the flag is set, the pointer is at the last record, and its mark is 1: bring
 *                 the cells to %1 at once.  Else leave the marks that were left out, if the flag
 *                 is set; in any case go on with the old loop.
 *
 * C programs compiled to Brainfuck reach their memory so.  With records a multiple of 4 KiB apart
 * all marks lie in one set of the first-level cache: writing each takes four times as long as
 * looking at it.
 *
 * What is not written must not be looked at.  In between, each pointer has a bound (`near`): how
 * far before the last record it may lie at most.  Moves and scans keep one, in the direction of
 * the way out, and calls that say so (their `left`).  Every access must stay behind the record
 * before the last one.  A way back that was dealt with before (records lie within larger records)
 * may go on further than it came: on the way into its old loop the marks are written first.
 *
 * Traps: looking at a record, the first cells looked at are two that the old loop always accesses;
 * the others lie between them and those of the record before.  There is no output in between.
 *
 * (A loop replaced by its closed form where a test at run time shows that nothing is in the way:
 * loop versioning; the bound is a difference bound as in Mine, "The Octagon Abstract Domain",
 * 2006, of one sign and to one pointer.)
 *
 * Linear: LEAP_PAIRS pairs a function, LEAP_TRIES regions looked at.  Tests: tests/ir/leap. */
#include <string.h>

#include "passes/hauls.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define LEAP_PAIRS 16
#define LEAP_TRIES 64
#define LEAP_DEPTH 8 /* ways out that a way back may belong to */
#define LEAP_CELLS (2 * HAUL_CELLS + 2)

/* A way: a loop with a guard before it. */
struct way {
    block pre, head, latch, exit;
    value pointer, next, start;
    int64_t step;
    int64_t cell[HAUL_CELLS]; /* offsets of what is taken along, the count not among them */
    unsigned ncell;
    int64_t mark;  /* out: left in the record reached; back: tested, and taken away */
    int64_t count; /* out: of the records to go */
    uint32_t src;
    value guard, root; /* back: the load that guards it, at root + at */
    int64_t at;
};

/* Marks that were not written: at start + step + mark and so on, end left out; if the flag is 1. */
struct elided {
    value flag, start, end;
    int64_t step, mark;
};

#define NEAR_ANYWHERE INT64_MIN
#define NEAR_NOTHING  INT64_MAX /* not reached, or only where the marks were written */

struct leap {
    struct func *f;
    struct pass_env *env;
    struct hauls h;
    struct way *out; /* ways out that were met, the last one on top */
    uint32_t nout, out_cap;
    block *region;
    uint32_t nregion, region_cap;
    uint32_t *seen; /* by block: the number of the region it is in */
    uint32_t search;
    int64_t *near; /* by value */
    bool *wild;    /* by loop: an old loop of a way back */
    block wild_head[LEAP_PAIRS], wild_exit[LEAP_PAIRS];
    unsigned nwild, tries;
};

/* ---- ways ---- */

static bool is_sum(const struct func *f, value v, value a, uint64_t n) {
    if (!ir_is(f, v, OP_ADD))
        return false;
    const struct insn *in = ir_at(f, v);
    return (same_value(in->a, a) && ir_is_num(f, in->b, n)) ||
           (same_value(in->b, a) && ir_is_num(f, in->a, n));
}

static bool is_inside(const struct leap *l, block b) {
    return cfg_loop_of(&l->h.cfg.loops, b) == cfg_loop_of(&l->h.cfg.loops, l->h.head);
}

/* What a phi of the exit takes from the loop: a place on the way, or what was known before. */
static bool leaves_well(struct leap *l, value v) {
    struct func *f = l->f;
    if (ir_is_const(f, v) || !is_inside(l, ir_home(f, v)))
        return true;
    return ir_at(f, v)->kind == KIND_PTR &&
           same_value(cells_address(&l->h.cells, v, 0).root, l->h.pointer);
}

/* pre: br ..., head, exit;  latch: br ..., head, exit;  the only phi of the head is the pointer. */
static bool find_frame(struct leap *l, struct way *w) {
    struct func *f = l->f;
    struct hauls *h = &l->h;
    *w = (struct way){.head = h->head, .latch = h->latch, .pointer = h->pointer, .next = h->next};
    w->step = h->step;
    w->pre = ir_block(f, h->head)->pred[h->entry_slot];
    w->exit = ir_block(f, h->latch)->succ[h->exit_n];
    w->start = *ir_phi_operand(f, h->pointer, h->entry_slot);
    w->src = ir_at(f, ir_terminator(f, h->latch))->src;
    const struct block_data *p = ir_block(f, w->pre), *e = ir_block(f, w->exit);
    if (h->exit_n != 1 || p->nsucc != 2 || !same_block(p->succ[0], w->head) ||
        !same_block(p->succ[1], w->exit) || e->npred != 2 || w->step > INT32_MAX ||
        w->step < -INT32_MAX)
        return false;
    IR_FOR_INSNS (f, w->head, v)
        if (ir_is(f, v, OP_PHI) && !same_value(v, w->pointer))
            return false;
    unsigned slot = ir_pred_slot(f, w->latch, w->exit);
    IR_FOR_INSNS (f, w->exit, v)
        if (ir_is(f, v, OP_PHI) && !leaves_well(l, *ir_phi_operand(f, v, slot)))
            return false;
    return true;
}

/* The number of the access that is this value, or naccess. */
static unsigned access_of(const struct hauls *h, value v) {
    unsigned i = 0;
    while (i < h->naccess && !same_value(h->access[i].v, v))
        i++;
    return i;
}

static bool is_taken_along(const struct hauls *h, int64_t off) {
    for (unsigned i = 0; i < h->ncell; i++)
        if (hauls_same_lane(h, off, h->cell[i].off))
            return true;
    return false;
}

/* The value the latch tests: what is at `off`, a step further. */
static bool tests(const struct leap *l, int64_t off) {
    const struct hauls *h = &l->h;
    unsigned i = access_of(h, ir_at(l->f, ir_terminator(l->f, h->latch))->a);
    return i < h->naccess && !h->access[i].store && h->access[i].off == cells_add(off, h->step);
}

/* Among the accesses to no cell that is taken along, is there one pair, load and store of the sum
 * with n, and no other but the latch's test? */
static bool find_pair(const struct leap *l, uint64_t n, int64_t *off) {
    const struct hauls *h = &l->h;
    const struct haul_access *load = NULL, *store = NULL;
    value test = ir_at(l->f, ir_terminator(l->f, h->latch))->a;
    for (unsigned i = 0; i < h->naccess; i++) {
        const struct haul_access *a = &h->access[i];
        if (is_taken_along(h, a->off) || (store && !a->store && same_value(a->v, test)))
            continue;
        if (!a->main || store || (a->store ? !load : load != NULL))
            return false;
        if (a->store)
            store = a;
        else
            load = a;
    }
    if (!store || store->off != load->off || !is_sum(l->f, ir_at(l->f, store->v)->b, load->v, n))
        return false;
    *off = store->off;
    return true;
}

/* All but the count, of which there is one: taken along less 1.  `back`: there is none. */
static bool find_cells(const struct leap *l, struct way *w, bool back) {
    const struct hauls *h = &l->h;
    bool counted = back;
    for (unsigned i = 0; i < h->ncell; i++) {
        const struct haul *k = &h->cell[i];
        value raw = h->access[k->first].v;
        if (same_value(k->added, raw)) {
            w->cell[w->ncell++] = k->off;
        } else if (!counted && is_sum(l->f, k->added, raw, UINT64_MAX)) {
            w->count = k->off;
            counted = true;
        } else {
            return false;
        }
    }
    return counted;
}

static bool is_way_out(struct leap *l, struct way *w) {
    int64_t off;
    if (!find_frame(l, w) || !find_cells(l, w, false) || !find_pair(l, 1, &off) ||
        !tests(l, w->count))
        return false;
    w->mark = cells_add(off, -w->step);
    return true;
}

/* From v to the end of its block, v left out: nothing that looks at the tape, or changes it. */
static bool is_pure_behind(const struct func *f, value v) {
    for (v = ir_next(f, v); v.i; v = ir_next(f, v))
        if (ir_has(f, v, EFF_READ | EFF_WRITE | EFF_IO | EFF_TRAP))
            return false;
    return true;
}

/* The guard tests the cell the loop tests, and nothing is between it and the loop. */
static bool find_guard(struct leap *l, struct way *w) {
    struct func *f = l->f;
    w->guard = ir_at(f, ir_terminator(f, w->pre))->a;
    if (!ir_is(f, w->guard, OP_LOAD) || !same_block(ir_home(f, w->guard), w->pre) ||
        !is_pure_behind(f, w->guard))
        return false;
    const struct insn *in = ir_at(f, w->guard);
    struct cell at = cells_address(&l->h.cells, in->a, in->imm);
    struct cell start = cells_address(&l->h.cells, w->start, w->mark);
    w->root = at.root;
    w->at = at.off;
    return same_value(at.root, start.root) && at.off == start.off;
}

/* Who leaves the loop where it was entered, by the guard, takes the same with him. */
static bool exits_agree(struct leap *l, const struct way *w) {
    struct func *f = l->f;
    unsigned slot = ir_pred_slot(f, w->latch, w->exit);
    IR_FOR_INSNS (f, w->exit, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        value in = *ir_phi_operand(f, v, slot), by = *ir_phi_operand(f, v, 1 - slot);
        if (same_value(in, by))
            continue;
        if (ir_at(f, v)->kind != KIND_PTR)
            return false;
        struct cell x = cells_address(&l->h.cells, in, 0), y = cells_address(&l->h.cells, by, 0);
        if (!same_value(x.root, w->pointer) || !same_value(y.root, w->root) ||
            cells_add(x.off, -w->step) != cells_add(y.off, cells_add(w->mark, -w->at)))
            return false;
    }
    return true;
}

static bool is_way_back(struct leap *l, struct way *w) {
    return find_frame(l, w) && find_cells(l, w, true) && find_pair(l, UINT64_MAX, &w->mark) &&
           tests(l, w->mark) && find_guard(l, w) && exits_agree(l, w);
}

/* ---- what must be 0 on the way ---- */

/* Seen from a record of the way out, farthest first; the two that are always accessed among them.
 */
struct zone {
    int64_t off[LEAP_CELLS];
    unsigned n;
    int dir;
};

static void zone_add(struct zone *z, int64_t off) {
    for (unsigned i = 0; i < z->n; i++)
        if (z->off[i] == off)
            return;
    unsigned at = z->n++;
    for (; at > 0 && z->dir * z->off[at - 1] < z->dir * off; at--)
        z->off[at] = z->off[at - 1];
    z->off[at] = off;
}

/* False if records overlap, or a cell lies where the old loop may not get to. */
static bool find_zone(const struct way *out, const struct way *back, struct zone *z) {
    *z = (struct zone){.dir = out->step > 0 ? 1 : -1};
    zone_add(z, out->mark);
    zone_add(z, out->count);
    int64_t far = z->off[0];
    for (unsigned i = 0; i < out->ncell; i++)
        zone_add(z, out->cell[i]);
    for (unsigned i = 0; i < back->ncell; i++)
        zone_add(z, cells_add(back->cell[i], cells_add(out->mark, -back->mark)));
    const int64_t most = INT32_MAX;
    if (z->off[0] != far || z->off[0] > most || z->off[0] < -most)
        return false;
    return z->dir * (z->off[0] - z->off[z->n - 1]) < z->dir * out->step;
}

/* ---- what is in between ---- */

static bool is_in_region(const struct leap *l, block b) {
    return l->seen[b.i] == l->search;
}

static void region_add(struct leap *l, block b) {
    if (is_in_region(l, b))
        return;
    l->seen[b.i] = l->search;
    l->region = xgrow(l->region, &l->region_cap, (uint64_t)l->nregion + 1, sizeof *l->region);
    l->region[l->nregion++] = b;
}

/* All blocks from the way out to the way back; false if other ways lead into them or out. */
static bool find_region(struct leap *l, block from, block to) {
    struct func *f = l->f;
    l->search++;
    l->nregion = 0;
    region_add(l, from);
    for (uint32_t i = 0; i < l->nregion; i++) {
        block b = l->region[i];
        const struct block_data *d = ir_block(f, b);
        if (ir_is(f, d->last, OP_RET))
            return false;
        for (unsigned k = 0; k < d->nsucc && !same_block(b, to); k++)
            region_add(l, d->succ[k]);
    }
    if (!is_in_region(l, to))
        return false;
    for (uint32_t i = 1; i < l->nregion; i++) {
        const struct block_data *d = ir_block(f, l->region[i]);
        for (unsigned k = 0; k < d->npred; k++)
            if (!is_in_region(l, d->pred[k]) || same_block(d->pred[k], to))
                return false;
    }
    return true;
}

/* Every old loop of a way back in the region is on all ways through it. */
static bool find_wild(struct leap *l, block to) {
    memset(l->wild, 0, l->h.cfg.loops.nloop * sizeof *l->wild);
    for (unsigned i = 0; i < l->nwild; i++) {
        if (!is_in_region(l, l->wild_head[i]))
            continue;
        if (!cfg_dominates(&l->h.cfg.dom, l->wild_exit[i], to))
            return false;
        l->wild[l->h.cfg.loops.of[l->wild_head[i].i]] = true;
    }
    return true;
}

static bool is_wild(const struct leap *l, block b) {
    return l->wild[l->h.cfg.loops.of[b.i]];
}

static int64_t near_of(const struct leap *l, value p) {
    block b = ir_home(l->f, p);
    return b.i && is_in_region(l, b) ? l->near[p.i] : NEAR_ANYWHERE;
}

static int64_t near_moved(int64_t near, int dir, int64_t by) {
    const int64_t most = INT64_C(1) << 40;
    if (near == NEAR_ANYWHERE || near == NEAR_NOTHING)
        return near;
    if (by > most || by < -most || near > most || near < -most)
        return NEAR_ANYWHERE;
    return near + dir * by;
}

static int64_t near_phi(struct leap *l, value v, const struct way *out, int dir) {
    const struct insn *in = ir_at(l->f, v);
    if (same_block(ir_home(l->f, v), out->exit)) {
        /* By the guard the flag is 0: that way does not count. */
        value p = *ir_phi_operand(l->f, v, ir_pred_slot(l->f, out->latch, out->exit));
        struct cell c = cells_address(&l->h.cells, p, 0);
        return same_value(c.root, out->pointer) ? dir * cells_add(c.off, -out->step)
                                                : NEAR_ANYWHERE;
    }
    int64_t a = near_of(l, in->a), b = in->b.i ? near_of(l, in->b) : a;
    return a < b ? a : b;
}

/* How near to the record before may pointer v be? */
static int64_t near_value(struct leap *l, value v, const struct way *out, int dir) {
    const struct insn *in = ir_at(l->f, v);
    switch ((int)in->op) {
    case OP_PHI:
        return near_phi(l, v, out, dir);
    case OP_MOVE:
        return near_moved(near_of(l, in->a), dir, in->imm);
    case OP_SCAN:
        return dir * in->stride > 0 ? near_of(l, in->a) : NEAR_ANYWHERE;
    case OP_CALL:
        return dir > 0 && in->left != 0 ? near_moved(near_of(l, in->a), dir, in->imm)
                                        : NEAR_ANYWHERE;
    default:
        return NEAR_ANYWHERE;
    }
}

#define NEAR_SWEEPS 6

/* Bounds for all pointers of the region.  What still falls after two sweeps, falls for ever. */
static bool find_bounds(struct leap *l, const struct way *out, int dir) {
    for (uint32_t i = 0; i < l->nregion; i++)
        IR_FOR_INSNS (l->f, l->region[i], v)
            l->near[v.i] = NEAR_NOTHING;
    uint32_t first = l->h.cfg.rpo.pos[out->exit.i];
    for (unsigned sweep = 0; sweep < NEAR_SWEEPS; sweep++) {
        bool changed = false;
        for (uint32_t i = first, left = l->nregion; left > 0 && i < l->h.cfg.rpo.n; i++) {
            block b = l->h.cfg.rpo.order[i];
            if (!is_in_region(l, b))
                continue;
            left--;
            if (is_wild(l, b))
                continue;
            IR_FOR_INSNS (l->f, b, v) {
                if (ir_at(l->f, v)->kind != KIND_PTR)
                    continue;
                int64_t near = near_value(l, v, out, dir);
                if (near == l->near[v.i])
                    continue;
                changed = true;
                l->near[v.i] = sweep >= 2 && ir_is(l->f, v, OP_PHI) ? NEAR_ANYWHERE : near;
            }
        }
        if (!changed)
            return true;
    }
    return false;
}

/* Does v stay behind `limit`, seen from the record reached? */
static bool stays_near(const struct leap *l, value v, int dir, int64_t limit) {
    const struct insn *in = ir_at(l->f, v);
    if (in->op == OP_HASH)
        return false;
    if (!ir_has(l->f, v, EFF_READ | EFF_WRITE | EFF_TRAP))
        return true;
    int64_t near = near_moved(near_of(l, in->a), dir, in->imm);
    if (in->op == OP_SCAN && dir * in->stride < 0)
        return false;
    if (in->op == OP_CALL) {
        if (dir < 0 || in->left == 0)
            return false;
        near = near_moved(near, dir, 1 - (int64_t)in->left);
    }
    return near != NEAR_ANYWHERE && near > limit;
}

static bool is_harmless(struct leap *l, const struct way *out, const struct way *back,
                        const struct zone *z) {
    struct func *f = l->f;
    if (!find_region(l, out->exit, back->pre) || !find_wild(l, back->pre) ||
        !find_bounds(l, out, z->dir))
        return false;
    int64_t limit = z->dir * (z->off[0] - out->step);
    for (uint32_t i = 0; i < l->nregion; i++) {
        if (is_wild(l, l->region[i]))
            continue;
        IR_FOR_INSNS (f, l->region[i], v)
            if (!stays_near(l, v, z->dir, limit))
                return false;
    }
    return true;
}

/* ---- the change ---- */

/* Moves `at` and what follows to a block that nothing leads to yet; returns the block it was in,
 * which leads nowhere. */
static block open_before(struct func *f, value at) {
    block top = ir_home(f, at), rest = ir_split_block(f, at);
    ir_remove(f, ir_terminator(f, top));
    struct block_data *d = ir_block(f, top);
    d->succ[0] = NO_BLOCK;
    d->nsucc = 0;
    ir_block(f, rest)->npred = 0;
    return top;
}

static value moved(struct func *f, value at, value p, int64_t by) {
    return by == 0 ? p : ir_before(f, at, OP_MOVE, p, NO_VALUE, by, ir_at(f, at)->src);
}

/* A phi with `a` on the way from `from`, else b. */
static value phi_by(struct func *f, block b, enum kind kind, block from, value x, value y) {
    bool first = ir_pred_slot(f, from, b) == 0;
    return ir_phi(f, b, kind, first ? x : y, first ? y : x);
}

/* Writes the marks that were left out, before `at`, if they were. */
static void write_marks(struct func *f, value at, const struct elided *e, uint32_t src) {
    value to = ir_terminator(f, ir_detour(f, at, e->flag, src));
    block top = open_before(f, to), rest = ir_home(f, to);
    block look = ir_block_new(f, top), mark = ir_block_new(f, look);
    ir_jmp(f, top, look, src);
    value p = ir_phi(f, look, KIND_PTR, e->start, NO_VALUE);
    value next = ir_append(f, look, OP_MOVE, p, NO_VALUE, e->step, src);
    value last = ir_append(f, look, OP_SAME, next, e->end, 0, src);
    ir_br(f, look, last, rest, mark, src);
    ir_append(f, mark, OP_STORE, next, ir_const(f, 1), e->mark, src);
    ir_jmp(f, mark, look, src);
    ir_at(f, p)->b = next;
}

/* From block `top`, which leads nowhere: looks at all records; if one is not empty goes to `old`.
 * Returns the last one; *yes is the block in which they were all empty. */
static value look_ahead(struct func *f, block top, block old, const struct way *w,
                        const struct zone *z, block *yes) {
    value n = ir_append(f, top, OP_LOAD, w->start, NO_VALUE, w->count, w->src), any = NO_VALUE;
    block look = ir_block_new(f, top), next = ir_block_new(f, look);
    *yes = ir_block_new(f, next);
    ir_jmp(f, top, look, w->src);
    value p = ir_phi(f, look, KIND_PTR, w->start, NO_VALUE);
    value left = ir_phi(f, look, KIND_CELL, n, NO_VALUE);
    value there = ir_append(f, look, OP_MOVE, p, NO_VALUE, w->step, w->src);
    for (unsigned i = 0; i < z->n; i++) {
        value cell = ir_append(f, look, OP_LOAD, there, NO_VALUE, z->off[i], w->src);
        any = any.i ? ir_append(f, look, OP_OR, any, cell, 0, w->src) : cell;
    }
    ir_br(f, look, any, old, next, w->src);
    value fewer = ir_append(f, next, OP_ADD, left, ir_const(f, UINT64_MAX), 0, w->src);
    ir_br(f, next, fewer, look, *yes, w->src);
    ir_at(f, p)->b = there;
    ir_at(f, left)->b = fewer;
    return there;
}

/* Brings what is taken along from the first record to the last, and marks that. */
static void bring(struct func *f, block b, const struct way *w, value last) {
    value zero = ir_const(f, 0);
    for (unsigned i = 0; i < w->ncell; i++) {
        value cell = ir_append(f, b, OP_LOAD, w->start, NO_VALUE, w->cell[i], w->src);
        ir_append(f, b, OP_STORE, w->start, zero, w->cell[i], w->src);
        ir_append(f, b, OP_STORE, last, cell, w->cell[i], w->src);
    }
    ir_append(f, b, OP_STORE, w->start, zero, w->count, w->src);
    ir_append(f, b, OP_STORE, last, ir_const(f, 1), w->mark, w->src);
}

static struct elided leap_out(struct leap *l, const struct way *w, const struct zone *z) {
    struct func *f = l->f;
    value old = ir_terminator(f, ir_split_edge(f, w->pre, 0));
    block top = open_before(f, old), yes;
    value last = look_ahead(f, top, ir_home(f, old), w, z, &yes);
    bring(f, yes, w, last);
    block both = ir_split_edge(f, w->latch, 1);
    value end = ir_jmp(f, yes, both, w->src);
    unsigned slot = ir_pred_slot(f, both, w->exit);
    IR_FOR_INSNS (f, w->exit, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        value by_loop = *ir_phi_operand(f, v, slot), here = by_loop;
        if (ir_at(f, v)->kind == KIND_PTR) {
            struct cell c = cells_address(&l->h.cells, by_loop, 0);
            if (same_value(c.root, w->pointer))
                here = moved(f, end, last, cells_add(c.off, -w->step));
        }
        value phi = phi_by(f, both, (enum kind)ir_at(f, v)->kind, yes, here, by_loop);
        *ir_phi_operand(f, v, slot) = phi;
    }
    value zero = ir_const(f, 0), one = ir_const(f, 1);
    value flag = phi_by(f, both, KIND_CELL, yes, one, zero);
    value to = phi_by(f, both, KIND_PTR, yes, last, w->next);
    struct elided e = {.start = w->start, .step = w->step, .mark = w->mark};
    e.flag = phi_by(f, w->exit, KIND_CELL, both, flag, zero);
    e.end = phi_by(f, w->exit, KIND_PTR, both, to, w->start);
    return e;
}

/* Before the old loops of ways back in between: marks are written, and the flag is 0. */
static void tame(struct leap *l, struct elided *e) {
    struct func *f = l->f;
    for (unsigned i = 0; i < l->nwild; i++) {
        block head = l->wild_head[i], exit = l->wild_exit[i];
        if (!is_in_region(l, head))
            continue;
        const struct block_data *h = ir_block(f, head);
        uint32_t loop = cfg_loop_of(&l->h.cfg.loops, head);
        bool first = cfg_loop_of(&l->h.cfg.loops, h->pred[0]) == loop;
        block latch = h->pred[first ? 0 : 1], pre = h->pred[first ? 1 : 0];
        unsigned n = same_block(ir_block(f, pre)->succ[0], head) ? 0 : 1;
        write_marks(f, ir_terminator(f, ir_split_edge(f, pre, n)), e, NO_SRC);
        e->flag = phi_by(f, exit, KIND_CELL, latch, ir_const(f, 0), e->flag);
    }
}

/* Brings what is taken along from root, the last record, to e->start; before `at`. */
static void bring_back(struct func *f, value at, const struct way *w, const struct elided *e) {
    value cell[HAUL_CELLS], zero = ir_const(f, 0);
    int64_t here = cells_add(w->at, -w->mark), there = cells_add(e->mark, -w->mark);
    for (unsigned i = 0; i < w->ncell; i++) {
        int64_t off = cells_add(here, w->cell[i]);
        cell[i] = ir_before(f, at, OP_LOAD, w->root, NO_VALUE, off, w->src);
        ir_before(f, at, OP_STORE, w->root, zero, off, w->src);
    }
    ir_before(f, at, OP_STORE, w->root, zero, w->at, w->src);
    for (unsigned i = 0; i < w->ncell; i++) {
        int64_t off = cells_add(there, w->cell[i]);
        value end = ir_terminator(f, ir_detour(f, at, cell[i], w->src));
        value old = ir_before(f, end, OP_LOAD, e->start, NO_VALUE, off, w->src);
        value sum = ir_before(f, end, OP_ADD, old, cell[i], 0, w->src);
        ir_before(f, end, OP_STORE, e->start, sum, off, w->src);
    }
}

/* The guard, the loop and the exit go on from `root`, wherever that is now. */
static void go_on_from(struct leap *l, const struct way *w, value root) {
    struct func *f = l->f;
    block b = ir_home(f, w->guard);
    value end = ir_terminator(f, b);
    ir_at(f, w->guard)->a = root;
    ir_at(f, w->guard)->imm = w->at;
    value to = moved(f, end, root, cells_add(w->at, -w->mark)); /* f->insn may move */
    *ir_phi_operand(f, w->pointer, ir_pred_slot(f, b, w->head)) = to;
    unsigned slot = ir_pred_slot(f, b, w->exit);
    IR_FOR_INSNS (f, w->exit, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        value by = *ir_phi_operand(f, v, slot);
        struct cell c;
        if (ir_at(f, v)->kind != KIND_PTR)
            continue;
        c = cells_address(&l->h.cells, by, 0);
        if (!same_value(c.root, w->root))
            continue;
        to = moved(f, end, root, c.off);
        *ir_phi_operand(f, v, slot) = to;
    }
}

static void leap_back(struct leap *l, const struct way *w, const struct elided *e) {
    struct func *f = l->f;
    value g = w->guard;
    block top = ir_home(f, g);
    value mark = ir_before(f, g, OP_LOAD, w->root, NO_VALUE, w->at, w->src);
    value there = ir_before(f, g, OP_SAME, w->root, e->end, cells_add(w->at, -e->mark), w->src);
    value is_one = ir_before(f, g, OP_EQ, mark, ir_const(f, 1), 0, w->src);
    value both = ir_before(f, g, OP_AND, there, is_one, 0, w->src);
    value ok = ir_before(f, g, OP_AND, both, e->flag, 0, w->src);
    value fast = ir_terminator(f, ir_detour(f, g, ok, w->src));
    value slow = ir_terminator(f, ir_split_edge(f, top, 1));
    bring_back(f, fast, w, e);
    value first = moved(f, fast, e->start, cells_add(e->mark, -w->at));
    write_marks(f, slow, e, w->src);
    value root = phi_by(f, ir_home(f, g), KIND_PTR, ir_home(f, fast), first, w->root);
    go_on_from(l, w, root);
}

static void leap_pair(struct leap *l, const struct way *out, const struct way *back,
                      const struct zone *z) {
    struct elided e = leap_out(l, out, z);
    tame(l, &e);
    leap_back(l, back, &e);
    l->wild_head[l->nwild] = back->head;
    l->wild_exit[l->nwild++] = back->exit;
    pass_count(l->env, "pairs", 1);
}

/* ---- the pass ---- */

/* The way out that `back` may belong to: the last one of the same step.  Those inside go. */
static const struct way *find_out(struct leap *l, const struct way *back) {
    for (uint32_t n = l->nout; n > 0 && n + LEAP_DEPTH > l->nout; n--) {
        if (l->out[n - 1].step != -back->step)
            continue;
        l->nout = n - 1;
        return &l->out[n - 1];
    }
    return NULL;
}

static bool try_back(struct leap *l, const struct way *back) {
    const struct way *out = find_out(l, back);
    struct zone z;
    if (!out || !cfg_dominates(&l->h.cfg.dom, out->exit, back->pre) || !find_zone(out, back, &z) ||
        l->tries++ >= LEAP_TRIES || !is_harmless(l, out, back, &z) || !pass_may(l->env))
        return false;
    struct way w = *out;
    leap_pair(l, &w, back, &z);
    return true;
}

static bool was_changed(const struct leap *l, block head) {
    unsigned i = 0;
    while (i < l->nwild && !same_block(l->wild_head[i], head))
        i++;
    return i < l->nwild;
}

/* Changes one pair, whose way back comes first. */
static bool find_one(struct leap *l) {
    struct hauls *h = &l->h;
    l->nout = 0;
    for (uint32_t i = 0; i < h->cfg.rpo.n; i++) {
        block b = h->cfg.rpo.order[i];
        uint32_t n = h->cfg.loops.of[b.i];
        struct way w;
        if (n == 0 || !same_block(h->cfg.loops.loop[n].head, b) || was_changed(l, b) ||
            !hauls_find(h, n))
            continue;
        if (is_way_out(l, &w)) {
            l->out = xgrow(l->out, &l->out_cap, (uint64_t)l->nout + 1, sizeof *l->out);
            l->out[l->nout++] = w;
        } else if (l->nout > 0 && is_way_back(l, &w) && try_back(l, &w)) {
            return true;
        }
    }
    return false;
}

static bool leap_once(struct leap *l) {
    hauls_init(&l->h, l->f);
    l->seen = xcalloc(l->f->nblock, sizeof *l->seen);
    l->near = xalloc(l->f->ninsn, sizeof *l->near);
    l->wild = xcalloc(l->h.cfg.loops.nloop, sizeof *l->wild);
    l->search = 0;
    bool found = find_one(l);
    xfree(l->seen);
    xfree(l->near);
    xfree(l->wild);
    hauls_free(&l->h);
    return found;
}

bool pass_leap(struct func *f, struct pass_env *env) {
    struct leap *l = xcalloc(1, sizeof *l);
    l->f = f;
    l->env = env;
    while (l->nwild < LEAP_PAIRS && leap_once(l))
        ;
    bool changed = l->nwild > 0;
    xfree(l->out);
    xfree(l->region);
    xfree(l);
    return changed;
}

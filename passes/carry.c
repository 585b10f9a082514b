/* carry.c: what a loop carries along from record to record stays in a value on the way.
 *
 *   b2: %3 = phi b1 %1, b4 %9               b2: %3 = phi b1 %1, b5 %9
 *       %4 = load %3                            %20 = phi b1 0, b5 %22         (on its way to %3)
 *       br %4, b3, b4                           %21 = load %3
 *   b3: %5 = load %3 + 784                      %22 = add %21, %20
 *       %6 = add %5, %4               =>        ...
 *       store %3 + 784, %6                      %9 = move %3 + 784
 *       store %3, 0                             %11 = load %9
 *   b4: ...                                     %23 = add %11, %22
 *       %9 = move %3 + 784                      br %23, b5, b6
 *       %10 = load %9                       b5: br %21, b7, b2                 (seldom: something
 *       br %10, b2, b5                      b7: store %3, 0                     was already there)
 *                                           b6: store %3, 0
 *                                               store %9, %23
 *
 * A loop that walks over records and takes cells along adds each to its successor and clears it,
 * record by record.  Every step then waits for the store of the step before; and with records a
 * multiple of 4 KiB apart, which is how C programs compiled to Brainfuck reach their memory, each
 * load is held up by all earlier stores to the same place of other pages.  Here what is carried is
 * a phi, each cell of the way is only looked at, and stored to if it was not 0. (Predictive
 * commoning: O'Brien et al., 1990; scalar replacement across iterations: Callahan, Carr & Kennedy,
 * "Improving register allocation for subscripted variables", PLDI 1990.)
 *
 * The loops: innermost, left at their end only, no access but loads and stores at fixed distances
 * from one pointer that each iteration moves by the same step.  Two accesses may concern the same
 * cell, in whatever iterations, only if their offsets agree modulo the step.  A cell is carried if
 * all such accesses are: loads and stores at one offset, then the haul, which adds it to the cell a
 * step further and clears it (always, or if it is not 0), then loads of that cell.
 *
 * Traps: the first access to the next record happens an iteration later, by a load that the source
 * makes, too, or behind the loop.  There is no output in between.
 *
 * Linear: loops are small.  Tests: tests/ir/carry. */
#include <string.h>

#include "ir/cfg.h"
#include "passes/cells.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define CARRY_BLOCKS   40
#define CARRY_ACCESSES 96
#define CARRY_CELLS    10 /* of one loop */

/* A load or store of the loop, in the order of execution. */
struct access {
    value v;
    int64_t off;
    bool store, main; /* main: in a block that every iteration passes */
};

/* A cell that is taken along. */
struct carried {
    int64_t off;
    uint32_t first, haul;  /* accesses: the first load; the store a step further */
    uint32_t cleared;      /* the store of 0 */
    value sum, old, added; /* at the haul: sum = old + added, where old was loaded */
    value cond;            /* of the detour that hauls, or NO_VALUE: it always does */
    value raw;             /* what was in memory */
};

struct carry {
    struct func *f;
    struct pass_env *env;
    struct cfg cfg;
    struct cells cells;
    uint32_t nblock; /* before the first change */
    bool changed;
    /* The loop at hand. */
    block body[CARRY_BLOCKS], head, latch;
    unsigned nbody, entry_slot, exit_n; /* of head's predecessors, of latch's successors */
    value pointer, next;                /* of the head, and for the next iteration */
    int64_t step;
    struct access access[CARRY_ACCESSES];
    unsigned naccess;
    struct carried cell[CARRY_CELLS];
    unsigned ncell;
};

/* ---- which loops ---- */

static uint32_t loop_of(const struct carry *c, block b) {
    return cfg_loop_of(&c->cfg.loops, b);
}

static bool is_main(const struct carry *c, block b) {
    return cfg_dominates(&c->cfg.dom, b, c->latch);
}

static bool list_body(struct carry *c, uint32_t n) {
    c->head = c->cfg.loops.loop[n].head;
    c->nbody = cfg_loop_blocks(&c->cfg, n, c->body, CARRY_BLOCKS);
    return c->nbody > 0 && c->cfg.loops.loop[n].innermost;
}

/* One latch, at which alone the loop is left. */
static bool find_latch(struct carry *c, uint32_t n) {
    const struct block_data *h = ir_block(c->f, c->head);
    if (h->npred != 2)
        return false;
    bool first = loop_of(c, h->pred[0]) == n;
    c->latch = h->pred[first ? 0 : 1];
    c->entry_slot = first ? 1 : 0;
    if (loop_of(c, c->latch) != n || loop_of(c, h->pred[c->entry_slot]) == n)
        return false;
    for (unsigned i = 0; i < c->nbody; i++) {
        const struct block_data *d = ir_block(c->f, c->body[i]);
        for (unsigned k = 0; k < d->nsucc; k++) {
            if (loop_of(c, d->succ[k]) == n)
                continue;
            if (!same_block(c->body[i], c->latch))
                return false;
            c->exit_n = k;
        }
    }
    return ir_block(c->f, c->latch)->nsucc == 2;
}

/* The pointer that moves by a step each iteration. */
static bool find_pointer(struct carry *c) {
    IR_FOR_INSNS (c->f, c->head, v) {
        const struct insn *in = ir_at(c->f, v);
        if (in->op != OP_PHI)
            break;
        if (in->kind != KIND_PTR)
            continue;
        if (c->pointer.i)
            return false;
        c->pointer = v;
        c->next = c->entry_slot == 0 ? in->b : in->a;
        struct cell at = cells_address(&c->cells, c->next, 0);
        if (!same_value(at.root, v) || at.off == 0)
            return false;
        c->step = at.off;
    }
    return c->pointer.i != 0;
}

static bool list_accesses(struct carry *c) {
    c->naccess = 0;
    for (unsigned i = 0; i < c->nbody; i++) {
        bool main = is_main(c, c->body[i]);
        IR_FOR_INSNS (c->f, c->body[i], v) {
            const struct insn *in = ir_at(c->f, v);
            if (in->op != OP_LOAD && in->op != OP_STORE) {
                if (ir_has(c->f, v, EFF_READ | EFF_WRITE | EFF_IO | EFF_TRAP))
                    return false;
                continue;
            }
            struct cell at = cells_address(&c->cells, in->a, in->imm);
            if (!same_value(at.root, c->pointer) || c->naccess == CARRY_ACCESSES)
                return false;
            c->access[c->naccess++] = (struct access){v, at.off, in->op == OP_STORE, main};
        }
    }
    return true;
}

/* ---- which cells ---- */

static bool same_lane(const struct carry *c, int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a - (uint64_t)b) % c->step == 0;
}

/* The access that loads the value, or naccess. */
static unsigned load_of(const struct carry *c, value v) {
    unsigned i = 0;
    while (i < c->naccess && !same_value(c->access[i].v, v))
        i++;
    return i;
}

/* Is the store at `haul` one of old + added, old being loaded there and the cell a step before
 * cleared in the same block? */
static bool is_haul(struct carry *c, unsigned haul, struct carried *k) {
    struct func *f = c->f;
    const struct access *a = &c->access[haul];
    if (!a->store)
        return false;
    *k = (struct carried){.off = cells_add(a->off, -c->step), .haul = haul};
    k->sum = ir_at(f, a->v)->b;
    if (!ir_is(f, k->sum, OP_ADD))
        return false;
    const struct insn *sum = ir_at(f, k->sum);
    for (unsigned n = 0; n < 2; n++) {
        k->old = n == 0 ? sum->a : sum->b;
        k->added = n == 0 ? sum->b : sum->a;
        unsigned l = load_of(c, k->old);
        if (l < haul && c->access[l].off == a->off &&
            same_block(ir_home(f, k->old), ir_home(f, a->v)))
            break;
        k->old = NO_VALUE;
    }
    if (!k->old.i)
        return false;
    block b = ir_home(f, a->v);
    for (unsigned i = 0; i < c->naccess; i++) {
        const struct access *z = &c->access[i];
        if (!z->store || z->off != k->off || !same_block(ir_home(f, z->v), b) ||
            !ir_is_num(f, ir_at(f, z->v)->b, 0))
            continue;
        k->cleared = i;
        return true;
    }
    return false;
}

/* The condition of the detour b, whose ends meet again without a phi; NO_VALUE if it is none. */
static value detour_of(struct carry *c, block b) {
    struct func *f = c->f;
    const struct block_data *d = ir_block(f, b);
    if (d->npred != 1 || d->nsucc != 1)
        return NO_VALUE;
    block top = d->pred[0], join = d->succ[0];
    const struct block_data *t = ir_block(f, top);
    if (!is_main(c, top) || !is_main(c, join) || t->nsucc != 2 || !same_block(t->succ[0], b) ||
        !same_block(t->succ[1], join) || ir_is(f, ir_block(f, join)->first, OP_PHI))
        return NO_VALUE;
    return ir_at(f, t->last)->a;
}

/* Follows all accesses to the lane of k.  In the order of execution: at k->off a load first, loads
 * and stores, all in main blocks; the haul; loads a step further, in main blocks. */
static bool lane_fits(struct carry *c, struct carried *k) {
    struct func *f = c->f;
    value content = NO_VALUE; /* of the cell at k->off */
    bool hauled = false;
    unsigned old = load_of(c, k->old);
    k->first = c->naccess;
    for (unsigned i = 0; i < c->naccess; i++) {
        const struct access *a = &c->access[i];
        if (!same_lane(c, a->off, k->off))
            continue;
        if (i == k->haul)
            hauled = true;
        if (i == k->haul || i == k->cleared || i == old)
            continue;
        bool here = a->off == k->off, there = a->off == cells_add(k->off, c->step);
        if (!a->main || (here ? hauled || i > k->cleared : !there || a->store || !hauled))
            return false;
        if (!here)
            continue;
        if (!content.i) {
            if (a->store)
                return false;
            k->first = i;
            content = a->v;
        } else if (a->store) {
            content = ir_at(f, a->v)->b;
        } else {
            /* The same again: what tests it tests the content. */
            if (same_value(k->cond, a->v))
                k->cond = content;
            if (same_value(k->added, a->v))
                k->added = content;
        }
    }
    /* A detour not taken must leave 0, too. */
    return content.i != 0 &&
           (!k->cond.i || (same_value(k->cond, content) && same_value(k->added, content)));
}

static void find_cells(struct carry *c) {
    c->ncell = 0;
    for (unsigned i = 0; i < c->naccess && c->ncell < CARRY_CELLS; i++) {
        struct carried k;
        if (!is_haul(c, i, &k))
            continue;
        block b = ir_home(c->f, c->access[i].v);
        if (!is_main(c, b)) {
            k.cond = detour_of(c, b);
            if (!k.cond.i)
                continue;
        }
        if (lane_fits(c, &k))
            c->cell[c->ncell++] = k;
    }
}

/* ---- the change ---- */

/* A cell's phi, and all its accesses but the load. */
static void rewrite_cell(struct carry *c, struct carried *k) {
    struct func *f = c->f;
    value zero = ir_const(f, 0);
    value phi = ir_phi(f, c->head, KIND_CELL, zero, zero), content = NO_VALUE;
    for (unsigned i = 0; i < c->naccess; i++) {
        const struct access *a = &c->access[i];
        if (!same_lane(c, a->off, k->off) || same_value(a->v, k->old))
            continue;
        struct insn in = *ir_at(f, a->v);
        if (i == k->first) {
            k->raw = ir_before(f, a->v, OP_LOAD, in.a, NO_VALUE, in.imm, in.src);
            content = ir_before(f, a->v, OP_ADD, k->raw, phi, 0, in.src);
            ir_replace(f, a->v, content);
        } else if (a->store) {
            if (i != k->haul && i != k->cleared)
                content = ir_resolve(f, in.b);
            ir_remove(f, a->v);
        } else if (a->off == k->off) {
            ir_replace(f, a->v, content);
        } else { /* behind the haul, a step further */
            value there = ir_before(f, a->v, OP_LOAD, in.a, NO_VALUE, in.imm, in.src);
            ir_replace(f, a->v,
                       ir_before(f, a->v, OP_ADD, there, ir_resolve(f, k->added), 0, in.src));
        }
    }
    k->added = ir_resolve(f, k->added);
    *(c->entry_slot == 0 ? &ir_at(f, phi)->b : &ir_at(f, phi)->a) = k->added;
}

/* On the way to the next iteration: what was on the way must become 0. */
static void clear_way(struct carry *c) {
    struct func *f = c->f;
    block way = ir_split_edge(f, c->latch, 1 - c->exit_n);
    value at = ir_terminator(f, way), any = c->cell[0].raw;
    for (unsigned n = 1; n < c->ncell; n++)
        any = ir_before(f, at, OP_OR, any, c->cell[n].raw, 0, NO_SRC);
    uint32_t src = ir_at(f, c->cell[0].raw)->src;
    value end = ir_terminator(f, ir_detour(f, at, any, src));
    for (unsigned n = 0; n < c->ncell; n++)
        ir_before(f, end, OP_STORE, c->pointer, ir_const(f, 0), c->cell[n].off,
                  ir_at(f, c->cell[n].raw)->src);
}

/* Behind the loop: what is carried arrives. */
static void arrive(struct carry *c) {
    struct func *f = c->f;
    value at = ir_terminator(f, ir_split_edge(f, c->latch, c->exit_n));
    for (unsigned n = 0; n < c->ncell; n++)
        ir_before(f, at, OP_STORE, c->pointer, ir_const(f, 0), c->cell[n].off,
                  ir_at(f, c->cell[n].raw)->src);
    for (unsigned n = 0; n < c->ncell; n++) {
        const struct carried *k = &c->cell[n];
        uint32_t src = ir_at(f, k->old)->src;
        value before = at;
        if (k->cond.i)
            before = ir_terminator(f, ir_detour(f, at, k->added, src));
        value old = ir_before(f, before, OP_LOAD, c->next, NO_VALUE, k->off, src);
        value sum = ir_before(f, before, OP_ADD, old, k->added, 0, src);
        ir_before(f, before, OP_STORE, c->next, sum, k->off, src);
    }
}

static void carry_loop(struct carry *c) {
    for (unsigned n = 0; n < c->ncell; n++)
        rewrite_cell(c, &c->cell[n]);
    arrive(c);
    clear_way(c);
    pass_count(c->env, "loops", 1);
    pass_count(c->env, "cells", c->ncell);
    c->changed = true;
}

bool pass_carry(struct func *f, struct pass_env *env) {
    struct carry *c = xcalloc(1, sizeof *c);
    c->f = f;
    c->env = env;
    c->cfg = cfg_make(f);
    cells_init(&c->cells, f);
    c->nblock = f->nblock;
    for (uint32_t n = 1; n < c->cfg.loops.nloop; n++) {
        c->pointer = NO_VALUE;
        if (!list_body(c, n) || !find_latch(c, n) || !find_pointer(c) || !list_accesses(c))
            continue;
        find_cells(c);
        if (c->ncell > 0 && pass_may(env))
            carry_loop(c);
    }
    cells_free(&c->cells);
    cfg_free(&c->cfg);
    bool changed = c->changed;
    xfree(c);
    return changed;
}

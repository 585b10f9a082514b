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
#include "passes/hauls.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

/* A cell's phi, and all its accesses but the load. */
static void rewrite_cell(struct hauls *c, struct haul *k) {
    struct func *f = c->f;
    value zero = ir_const(f, 0);
    value phi = ir_phi(f, c->head, KIND_CELL, zero, zero), content = NO_VALUE;
    for (unsigned i = 0; i < c->naccess; i++) {
        const struct haul_access *a = &c->access[i];
        if (!hauls_same_lane(c, a->off, k->off) || same_value(a->v, k->old))
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
    *ir_phi_operand(f, phi, 1 - c->entry_slot) = k->added;
}

/* On the way to the next iteration: what was on the way must become 0. */
static void clear_way(struct hauls *c) {
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
static void arrive(struct hauls *c) {
    struct func *f = c->f;
    value at = ir_terminator(f, ir_split_edge(f, c->latch, c->exit_n));
    for (unsigned n = 0; n < c->ncell; n++)
        ir_before(f, at, OP_STORE, c->pointer, ir_const(f, 0), c->cell[n].off,
                  ir_at(f, c->cell[n].raw)->src);
    for (unsigned n = 0; n < c->ncell; n++) {
        const struct haul *k = &c->cell[n];
        uint32_t src = ir_at(f, k->old)->src;
        value before = at;
        if (k->cond.i)
            before = ir_terminator(f, ir_detour(f, at, k->added, src));
        value old = ir_before(f, before, OP_LOAD, c->next, NO_VALUE, k->off, src);
        value sum = ir_before(f, before, OP_ADD, old, k->added, 0, src);
        ir_before(f, before, OP_STORE, c->next, sum, k->off, src);
    }
}

bool pass_carry(struct func *f, struct pass_env *env) {
    struct hauls *c = xcalloc(1, sizeof *c);
    bool changed = false;
    hauls_init(c, f);
    for (uint32_t n = 1; n < c->cfg.loops.nloop; n++) {
        if (!hauls_find(c, n) || c->ncell == 0 || !pass_may(env))
            continue;
        for (unsigned k = 0; k < c->ncell; k++)
            rewrite_cell(c, &c->cell[k]);
        arrive(c);
        clear_way(c);
        pass_count(env, "loops", 1);
        pass_count(env, "cells", c->ncell);
        changed = true;
    }
    hauls_free(c);
    xfree(c);
    return changed;
}

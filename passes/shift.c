/* shift.c: the number an iteration leaves in a cell for the next one to find is a value on the way.
 *
 *   b1: ...                                  b1: %20 = load %1 + 10
 *   b2: %2 = phi b1 %1, b2 %7                b2: %2 = phi b1 %1, b2 %7
 *       %3 = load %2 + 1                         %21 = phi b1 %20, b2 0
 *       %4 = load %2 + 10                        %3 = load %2 + 1
 *       %5 = add %4, %3               =>         %5 = add %21, %3
 *       store %2 + 10, %5                        store %2 + 10, %5
 *       store %2 + 1, 0                          %7 = move %2 - 9
 *       %7 = move %2 - 9                         ...
 *       ...                                      br %8, b2, b3
 *       br %8, b2, b3                        b3: store %2 + 1, 0
 *
 * A loop that shifts a lane of records clears each cell, finds it cleared an iteration later, and
 * overwrites it.  The processor waits for the first store to load it again, and does two stores a
 * record.  But what is stored is known in the next iteration; and of all the stores that are
 * overwritten there only the last one stays, behind the loop. (Scalar replacement across
 * iterations: Callahan, Carr & Kennedy, "Improving register allocation for subscripted variables",
 * PLDI 1990.)
 *
 * The loops are those of hauls.h.  A store of a constant at offset a goes if every iteration makes
 * it, stores at a - step as well, where the next iteration finds the same cell, and nothing but the
 * loads that are replaced looks at it in between.  (Other values are left alone: loops of one or
 * two iterations pay for the load before and the store behind.)
 *
 * Traps: the load before the loop is of a cell the first iteration accesses; what is stored later
 * is stored before any output.
 *
 * Linear: loops are small.  Tests: tests/ir/shift. */
#include "passes/hauls.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

/* A store that the next iteration overwrites: places in hauls.access. */
struct shift {
    uint32_t store, over;
};

/* Is access i made to what offset `off` is, and a store if only those are asked for? */
static bool is_at(const struct hauls *h, uint32_t i, int64_t off, bool stores) {
    return h->access[i].off == off && (h->access[i].store || !stores);
}

/* The first store at an offset, or naccess. */
static uint32_t first_store(const struct hauls *h, int64_t off) {
    uint32_t i = 0;
    while (i < h->naccess && !is_at(h, i, off, true))
        i++;
    return i;
}

/* Does the next iteration overwrite store i, in every case, before anybody looks? */
static bool find_shift(const struct hauls *h, uint32_t i, struct shift *s) {
    const struct haul_access *a = &h->access[i];
    if (!a->store || !a->main || !ir_is_const(h->f, ir_at(h->f, a->v)->b))
        return false;
    for (uint32_t k = i + 1; k < h->naccess; k++)
        if (is_at(h, k, a->off, false))
            return false;
    *s = (struct shift){i, first_store(h, cells_add(a->off, -h->step))};
    return s->over < h->naccess && h->access[s->over].main;
}

/* Does the next iteration load the cell before it overwrites it? */
static bool is_loaded(const struct hauls *h, const struct shift *s) {
    for (uint32_t i = 0; i < s->over; i++)
        if (is_at(h, i, h->access[s->over].off, false))
            return true;
    return false;
}

/* The block before the loop that every way in passes. */
static block way_in(struct hauls *h) {
    block from = ir_block(h->f, h->head)->pred[h->entry_slot];
    const struct block_data *d = ir_block(h->f, from);
    if (d->nsucc == 1)
        return from;
    return ir_split_edge(h->f, from, same_block(d->succ[1], h->head) ? 1 : 0);
}

/* Makes the loads at the start of the next iteration a phi. */
static void hand_over(struct hauls *h, const struct shift *s) {
    struct func *f = h->f;
    int64_t off = h->access[s->over].off;
    value first = NO_VALUE, left = ir_at(f, h->access[s->store].v)->b;
    value phi = ir_phi(f, h->head, KIND_CELL, left, left);
    for (uint32_t i = 0; i < s->over; i++) {
        if (!is_at(h, i, off, false))
            continue;
        value load = h->access[i].v;
        if (!first.i) {
            block before = way_in(h); /* may move the instructions */
            value start = *ir_phi_operand(f, h->pointer, h->entry_slot);
            first = ir_append(f, before, OP_LOAD, start, NO_VALUE, off, ir_at(f, load)->src);
        }
        ir_replace(f, load, phi);
    }
    *ir_phi_operand(f, phi, h->entry_slot) = first;
}

/* Moves the store behind the loop. */
static void store_late(struct hauls *h, const struct shift *s) {
    struct func *f = h->f;
    const struct insn in = *ir_at(f, h->access[s->store].v);
    block out = ir_block(f, h->latch)->succ[h->exit_n];
    if (ir_block(f, out)->npred > 1)
        out = ir_split_edge(f, h->latch, h->exit_n);
    value at = ir_block(f, out)->first;
    while (ir_is(f, at, OP_PHI))
        at = ir_next(f, at);
    ir_before(f, at, OP_STORE, h->pointer, in.b, h->access[s->store].off, in.src);
    ir_remove(f, h->access[s->store].v);
}

static bool shift_loop(struct hauls *h, struct pass_env *env) {
    bool changed = false;
    for (uint32_t i = 0; i < h->naccess; i++) {
        struct shift s;
        if (!find_shift(h, i, &s) || !pass_may(env))
            continue;
        if (is_loaded(h, &s))
            hand_over(h, &s);
        store_late(h, &s);
        pass_count(env, "stores", 1);
        changed = true;
    }
    return changed;
}

bool pass_shift(struct func *f, struct pass_env *env) {
    struct hauls *h = xcalloc(1, sizeof *h);
    bool changed = false;
    hauls_init(h, f);
    for (uint32_t n = 1; n < h->cfg.loops.nloop; n++)
        changed |= hauls_find(h, n) && shift_loop(h, env);
    hauls_free(h);
    xfree(h);
    return changed;
}

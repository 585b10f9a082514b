/* merge_loads.c: a load where two ways meet is what each of them knows the cell to hold.
 *
 *   b1: store %1, %2               b1: store %1, %2
 *       br %3, b2, b3                  br %3, b2, b3
 *   b2: %4 = load %1 + 5           b2: %4 = load %1 + 5
 *       store %1, %4         =>        store %1, %4
 *       jmp b3                         jmp b3
 *   b3: %5 = load %1               b3: %5 = phi b1 %2, b2 %4
 *
 * Behind a detour that has become straight code, what it computed waits in the tape for the next
 * instruction, and both stores stay for it.  (Partial redundancy elimination, for loads that are
 * fully redundant but have no one value: Kennedy, Chan, Liu, Lo, Tu & Chow, "Partial redundancy
 * elimination in SSA form", TOPLAS 1999.)
 *
 * Each way must have accessed the cell in its last block, which is looked at for a bounded length;
 * heads of loops are left to promote, carry and shift.
 *
 * Traps: the cell has been accessed just before, on either way.  Relies on forward, which leaves
 * one load of a cell in a block.  Linear.  Tests: tests/ir/merge-loads. */
#include "ir/cfg.h"
#include "passes/cells.h"
#include "passes/pass.h"

#define LOOK_BACK    32 /* instructions of each way, and behind them */
#define MERGE_STORES 8 /* of the block, before a load */

struct merge {
    struct func *f;
    struct pass_env *env;
    struct cells cells;
};

/* May v change what a cell of this root holds, unless it is a store relative to the root? */
static bool is_opaque(struct merge *m, value v, value root) {
    const struct insn *in = ir_at(m->f, v);
    return ir_clobbers(m->f, v) ||
           (in->op == OP_STORE && !same_value(cells_address(&m->cells, in->a, in->imm).root, root));
}

/* What the cell holds at the end of b, if an access near there tells; else NO_VALUE. */
static value content(struct merge *m, block b, struct cell c) {
    struct func *f = m->f;
    value v = ir_terminator(f, b);
    for (unsigned n = 0; n < LOOK_BACK && v.i && !is_opaque(m, v, c.root); n++) {
        const struct insn *in = ir_at(f, v);
        if (in->op == OP_LOAD || in->op == OP_STORE) {
            struct cell at = cells_address(&m->cells, in->a, in->imm);
            if (same_value(at.root, c.root) && at.off == c.off)
                return in->op == OP_LOAD ? v : ir_resolve(f, in->b);
        }
        v = ir_prev(f, v);
    }
    return NO_VALUE;
}

/* The cell, seen from predecessor `slot` of b. */
static struct cell cell_from(struct merge *m, block b, unsigned slot, struct cell c) {
    if (!ir_is(m->f, c.root, OP_PHI) || !same_block(ir_home(m->f, c.root), b))
        return c;
    return cells_address(&m->cells, *ir_phi_operand(m->f, c.root, slot), c.off);
}

/* Replaces load v of cell c, which b has not changed, if both ways know the cell. */
static bool merge_load(struct merge *m, block b, value v, struct cell c) {
    struct func *f = m->f;
    value from[2];
    for (unsigned slot = 0; slot < 2; slot++) {
        from[slot] = content(m, ir_block(f, b)->pred[slot], cell_from(m, b, slot, c));
        if (!from[slot].i)
            return false;
    }
    if (!pass_may(m->env))
        return false;
    ir_replace(f, v, ir_phi(f, b, KIND_CELL, from[0], from[1]));
    pass_count(m->env, "loads", 1);
    return true;
}

/* May one of these stores be to the cell? */
static bool is_among(const struct cell *stored, unsigned n, struct cell c) {
    for (unsigned i = 0; i < n; i++)
        if (!same_value(stored[i].root, c.root) || stored[i].off == c.off)
            return true;
    return false;
}

static bool merge_block(struct merge *m, block b) {
    struct func *f = m->f;
    struct cell stored[MERGE_STORES];
    unsigned seen = 0, nstored = 0;
    bool changed = false;
    IR_FOR_INSNS_SAFE (f, b, v) {
        const struct insn *in = ir_at(f, v);
        if (++seen > LOOK_BACK || ir_clobbers(f, v))
            break;
        if (in->op != OP_LOAD && in->op != OP_STORE)
            continue;
        struct cell c = cells_address(&m->cells, in->a, in->imm);
        if (in->op == OP_STORE && nstored == MERGE_STORES)
            break;
        if (in->op == OP_STORE)
            stored[nstored++] = c;
        else if (!is_among(stored, nstored, c))
            changed |= merge_load(m, b, v, c);
    }
    return changed;
}

bool pass_merge_loads(struct func *f, struct pass_env *env) {
    struct merge m = {.f = f, .env = env};
    struct rpo order = cfg_rpo(f);
    bool changed = false;
    cells_init(&m.cells, f);
    for (uint32_t i = 0; i < order.n; i++) {
        block b = order.order[i];
        const struct block_data *d = ir_block(f, b);
        if (d->npred == 2 && order.pos[d->pred[0].i] < i && order.pos[d->pred[1].i] < i)
            changed |= merge_block(&m, b);
    }
    cells_free(&m.cells);
    cfg_rpo_free(&order);
    return changed;
}

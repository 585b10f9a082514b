/* if_convert.c: a short detour that changes nothing when it is not taken is always taken.
 *
 *   b1: %2 = load %1                     b1: %2 = load %1
 *       br %2, b2, b3                        %3 = load %1 + 9
 *   b2: %3 = load %1 + 9                     %4 = add %3, %2
 *       %4 = add %3, %2           =>         store %1 + 9, %4
 *       store %1 + 9, %4                     store %1, 0
 *       store %1, 0                          ...
 *       jmp b3
 *   b3: ...
 *
 * The moving loops of Brainfuck become such triangles, and whether they move anything is often a
 * coin toss that the processor cannot predict.  With the condition 0 each store must write what its
 * cell holds anyway: values are followed with 0 for the condition until that shows.  Values that
 * differ where the ways meet are selected, a few of them.
 *
 * Traps: every access of the detour must be marked as safe, or lie between cells of the same
 * pointer that are accessed for certain: before the branch in its block, or behind the triangle
 * before any I/O.  Then the program leaves the tape here whichever way it goes.
 *
 * Relies on marks by inbounds.  Linear: each block is merged once.  Tests: tests/ir/if-convert. */
#include "passes/cells.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define MAX_INSNS   12 /* of a detour */
#define MAX_SELECTS 1
#define MAX_DEPTH   4  /* of a value that is followed */
#define LOOK_BACK   32 /* instructions of the branch's block that are looked at */

struct triangle {
    block top, side, join;
    unsigned to_join; /* successor slot of top */
    value cond;
};

struct if_convert {
    struct func *f;
    struct pass_env *env;
    struct cells cells;
    struct triangle t;
    bool changed;
};

/* ---- shape ---- */

static bool find_triangle(struct if_convert *c, block top) {
    const struct block_data *d = ir_block(c->f, top);
    if (d->nsucc != 2)
        return false;
    /* Only detours taken when the condition is not 0. */
    block side = d->succ[0], join = d->succ[1];
    const struct block_data *s = ir_block(c->f, side);
    if (s->npred != 1 || s->nsucc != 1 || !same_block(s->succ[0], join) || same_block(top, join))
        return false;
    c->t = (struct triangle){top, side, join, 1, ir_at(c->f, ir_terminator(c->f, top))->a};
    return true;
}

/* ---- what values are when the condition is 0 ---- */

/* The value that v equals if the condition is 0: a constant, or v's own unchanged operand. */
static value if_zero(struct if_convert *c, value v, unsigned depth) {
    v = ir_resolve(c->f, v);
    if (same_value(v, c->t.cond))
        return ir_const(c->f, 0);
    if (ir_is_const(c->f, v) || depth == 0 || !same_block(ir_home(c->f, v), c->t.side))
        return v;
    const struct insn in = *ir_at(c->f, v);
    if (in.op != OP_ADD && in.op != OP_SUB && in.op != OP_MUL && in.op != OP_SHL && in.op != OP_AND)
        return v;
    value a = if_zero(c, in.a, depth - 1), b = if_zero(c, in.b, depth - 1);
    bool zero_a = ir_is_num(c->f, a, 0), zero_b = ir_is_num(c->f, b, 0);
    if (in.op == OP_MUL || in.op == OP_AND)
        return zero_a || zero_b ? ir_const(c->f, 0) : v;
    if (zero_b)
        return a;
    if (zero_a && (in.op == OP_ADD || in.op == OP_SHL))
        return in.op == OP_ADD ? b : a;
    return v;
}

/* What a cell holds at the head of the block above the detour. */
static value first_content(struct if_convert *c, uint32_t id) {
    bool zero = same_block(c->t.top, c->f->entry) && cell_starts_zero(c->f, c->cells.at[id]);
    return zero ? ir_const(c->f, 0) : NO_VALUE;
}

/* What the cell of store s holds before the detour, as a value: the last load or store of it before
 * s, or what the program starts with; NO_VALUE if that is not found. */
static value old_content(struct if_convert *c, value s) {
    uint32_t id = cells_of(&c->cells, s);
    value root = c->cells.at[id].root;
    value w = ir_prev(c->f, s);
    for (unsigned n = 0; n < LOOK_BACK; n++) {
        if (!w.i) {
            if (!same_block(ir_home(c->f, s), c->t.side))
                return first_content(c, id);
            w = ir_terminator(c->f, c->t.top);
            s = w; /* only once */
            continue;
        }
        const struct insn *in = ir_at(c->f, w);
        if (ir_clobbers(c->f, w))
            return NO_VALUE;
        if (in->op == OP_LOAD && cells_of(&c->cells, w) == id)
            return w;
        if (in->op == OP_STORE) {
            uint32_t other = cells_of(&c->cells, w);
            if (other == id)
                return ir_resolve(c->f, in->b);
            if (!same_value(c->cells.at[other].root, root))
                return NO_VALUE;
        }
        w = ir_prev(c->f, w);
    }
    return NO_VALUE;
}

/* Does the store write what is there, if the condition is 0? */
static bool is_idle(struct if_convert *c, value store) {
    value old = old_content(c, store);
    if (!old.i)
        return false;
    value now = if_zero(c, ir_at(c->f, store)->b, MAX_DEPTH);
    return same_value(now, if_zero(c, old, MAX_DEPTH));
}

/* ---- safety ---- */

/* Is the access within cells of its pointer that are accessed for certain, around the detour? */
static bool is_surrounded(struct if_convert *c, value access) {
    const struct insn *in = ir_at(c->f, access);
    struct cell at = cells_address(&c->cells, in->a, in->imm);
    bool below = false, above = false;
    block places[2] = {c->t.top, c->t.join};
    for (unsigned k = 0; k < 2; k++) {
        value v =
            k ? ir_block(c->f, places[k])->first : ir_prev(c->f, ir_terminator(c->f, c->t.top));
        for (unsigned n = 0; n < LOOK_BACK && v.i;
             n++, v = k ? ir_next(c->f, v) : ir_prev(c->f, v)) {
            const struct insn *w = ir_at(c->f, v);
            if (w->op != OP_LOAD && w->op != OP_STORE) {
                if (k && (ir_has(c->f, v, EFF_IO | EFF_END) || w->op == OP_SCAN))
                    break;
                continue;
            }
            struct cell o = cells_address(&c->cells, w->a, w->imm);
            if (!same_value(o.root, at.root))
                continue;
            below |= o.off <= at.off;
            above |= o.off >= at.off;
        }
    }
    return below && above;
}

static bool may_run_always(struct if_convert *c) {
    unsigned n = 0;
    IR_FOR_INSNS (c->f, c->t.side, v) {
        const struct insn *in = ir_at(c->f, v);
        if (in->op == OP_JMP)
            break;
        if (++n > MAX_INSNS)
            return false;
        if (in->op == OP_LOAD || in->op == OP_STORE) {
            if (in->trap == MAY_TRAP && !is_surrounded(c, v))
                return false;
            if (in->op == OP_STORE && !is_idle(c, v))
                return false;
        } else if (!ir_has(c->f, v, EFF_PURE)) {
            return false;
        }
    }
    return n > 0;
}

static unsigned count_selects(struct if_convert *c) {
    unsigned from_side = ir_pred_slot(c->f, c->t.side, c->t.join), n = 0;
    IR_FOR_INSNS (c->f, c->t.join, v) {
        if (!ir_is(c->f, v, OP_PHI))
            break;
        value x = *ir_phi_operand(c->f, v, from_side), y = *ir_phi_operand(c->f, v, 1 - from_side);
        if (ir_at(c->f, v)->kind == KIND_PTR && !same_value(x, y))
            return MAX_SELECTS + 1;
        n += !same_value(if_zero(c, x, MAX_DEPTH), ir_resolve(c->f, y));
    }
    return n;
}

/* ---- rewriting ---- */

/* Where the ways meet: the side's value, if it is right either way, or a choice. */
static void join_values(struct if_convert *c) {
    unsigned from_side = ir_pred_slot(c->f, c->t.side, c->t.join);
    value end = ir_terminator(c->f, c->t.side);
    IR_FOR_INSNS (c->f, c->t.join, v) {
        if (!ir_is(c->f, v, OP_PHI))
            break;
        value x = *ir_phi_operand(c->f, v, from_side), y = *ir_phi_operand(c->f, v, 1 - from_side);
        if (same_value(if_zero(c, x, MAX_DEPTH), ir_resolve(c->f, y)))
            continue;
        value s = ir_before(c->f, end, OP_SELECT, c->t.cond, x, 0, NO_SRC);
        ir_at(c->f, s)->c = y;
        *ir_phi_operand(c->f, v, from_side) = s;
    }
}

static void run_always(struct if_convert *c) {
    struct triangle t = c->t;
    join_values(c);
    ir_cut_edge(c->f, t.top, t.to_join);
    ir_merge(c->f, t.top, t.side);
    ir_merge(c->f, t.top, t.join);
    pass_count(c->env, "triangles", 1);
    c->changed = true;
}

bool pass_if_convert(struct func *f, struct pass_env *env) {
    struct if_convert c = {.f = f, .env = env};
    cells_init(&c.cells, f);
    IR_FOR_BLOCKS (f, b)
        while (find_triangle(&c, b) && may_run_always(&c) && count_selects(&c) <= MAX_SELECTS &&
               pass_may(env))
            run_always(&c);
    cells_free(&c.cells);
    return c.changed;
}

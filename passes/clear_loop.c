/* clear_loop.c: a loop that only counts its own cell down to zero stores 0.
 *
 *   b1: %2 = load %1 + 3                b1: %2 = load %1 + 3
 *       br %2, b2, b3                       store %1 + 3, 0
 *   b2: %3 = load %1 + 3        =>          ... what b3 holds
 *       %4 = sub %3, 1
 *       store %1 + 3, %4
 *       br %4, b2, b3
 *
 * An odd step reaches 0 from every start.  An even one only from some: it is left alone unless the
 * start is a constant it divides (mul-loop tests the others).  A loop that sets its cell to 0 at
 * once, as `[[-]]` has become, counts too.
 *
 * The guard goes only if it tested this very cell: then the cell is known to be on the tape, and
 * storing 0 over 0 changes nothing.  Otherwise the loop becomes a store that runs when the loop
 * would have.  Innermost first, and what becomes one block is looked at again, so nests go at once.
 * Tests: tests/ir/clear-loop. */
#include "passes/pass.h"
#include "passes/selfloop.h"

/* What the body knows of the cell or of a value: the cell's value at its head (if `start`) + add.
 */
struct clear_sum {
    bool known, start;
    uint64_t add;
};

struct clear {
    struct func *f;
    struct pass_env *env;
    bool changed;
    struct cells cells;
    struct selfloop l;
    uint32_t id;          /* the tested cell; 0 before the first access */
    struct clear_sum now; /* what it holds */
    value touch;          /* the first TOUCH of the body */
    uint32_t src;         /* of the last store */
    unsigned nsum;
    struct {
        value v;
        struct clear_sum sum;
    } sum[8]; /* values computed in the body; such loops are short */
};

static struct clear_sum clear_sum_of(const struct clear *c, value v) {
    v = ir_resolve(c->f, v);
    if (ir_is_const(c->f, v))
        return (struct clear_sum){true, false, ir_const_of(c->f, v)};
    for (unsigned i = 0; i < c->nsum; i++)
        if (same_value(c->sum[i].v, v))
            return c->sum[i].sum;
    return (struct clear_sum){0};
}

static bool clear_define(struct clear *c, value v, struct clear_sum sum) {
    if (!sum.known || c->nsum == sizeof c->sum / sizeof c->sum[0])
        return false;
    c->sum[c->nsum].v = v;
    c->sum[c->nsum++].sum = sum;
    return true;
}

static bool clear_arith(struct clear *c, value v) {
    const struct insn *in = ir_at(c->f, v);
    struct clear_sum a = clear_sum_of(c, in->a), b = clear_sum_of(c, in->b);
    if (!a.known || !b.known || (a.start && b.start) || (b.start && in->op == OP_SUB))
        return false;
    uint64_t add = in->op == OP_SUB ? a.add - b.add : a.add + b.add;
    return clear_define(c, v, (struct clear_sum){true, a.start || b.start, ir_wrap(c->f, add)});
}

/* Does this access stay on the one cell? */
static bool clear_same_cell(struct clear *c, value v) {
    uint32_t id = cells_of(&c->cells, v);
    if (!c->id)
        c->id = id;
    return c->id == id;
}

/* Follows one instruction of the body; false if it has no place in a clear loop. */
static bool clear_step(struct clear *c, value v) {
    const struct insn *in = ir_at(c->f, v);
    if (in->mark)
        return false;
    if (in->op == OP_ADD || in->op == OP_SUB)
        return clear_arith(c, v);
    if (in->op == OP_BR)
        return true;
    if (in->op != OP_LOAD && in->op != OP_STORE && in->op != OP_TOUCH)
        return false;
    if (!clear_same_cell(c, v))
        return false;
    if (in->op == OP_LOAD)
        return clear_define(c, v, c->now);
    if (in->op == OP_STORE) {
        c->now = clear_sum_of(c, in->b);
        c->src = in->src;
        return c->now.known;
    }
    if (!c->touch.i)
        c->touch = v;
    return true;
}

/* The constant the cell holds when the loop is entered. */
static bool clear_start(struct clear *c, uint64_t *start) {
    struct func *f = c->f;
    value at = ir_terminator(f, c->l.pre);
    for (unsigned n = 0; n < 8 && at.i; n++, at = ir_prev(f, at)) {
        const struct insn *in = ir_at(f, at);
        if (ir_clobbers(f, at))
            return false;
        if (in->op != OP_STORE)
            continue;
        value v = ir_resolve(f, in->b);
        if (cells_of(&c->cells, at) != c->id || !ir_is_const(f, v))
            return false;
        *start = ir_const_of(f, v);
        return true;
    }
    return false;
}

/* Is the loop over, with 0 in its cell, whenever it was entered? */
static bool clear_ends(struct clear *c) {
    struct clear_sum cond = clear_sum_of(c, c->l.cond);
    uint64_t start;
    if (!c->id || !cond.known || cond.start != c->now.start || cond.add != c->now.add)
        return false;
    if (!cond.start || cond.add == 0)
        return !cond.start && cond.add == 0;
    uint64_t power = cond.add & (0 - cond.add); /* largest power of two in the step */
    return power == 1 || (clear_start(c, &start) && (start & (power - 1)) == 0);
}

static bool clear_matches(struct clear *c) {
    cells_forget(&c->cells);
    c->id = 0;
    c->now = (struct clear_sum){true, true, 0};
    c->touch = NO_VALUE;
    c->src = NO_SRC;
    c->nsum = 0;
    IR_FOR_INSNS (c->f, c->l.body, v)
        if (!clear_step(c, v))
            return false;
    return clear_ends(c);
}

static block clear_rewrite(struct clear *c) {
    struct func *f = c->f;
    struct selfloop *l = &c->l;
    bool held = l->guarded && selfloop_holds(&c->cells, l->pre, c->id, l->guard);
    value end = ir_terminator(f, l->body);
    struct cell at = c->cells.at[c->id];
    ir_before(f, end, OP_STORE, at.root, ir_const(f, 0), at.off, c->src);
    selfloop_open(f, l);
    value last = ir_prev(f, ir_terminator(f, l->body)); /* the new store */
    for (value v = ir_prev(f, last), up; v.i; v = up) {
        up = ir_prev(f, v);
        if (held || !same_value(v, c->touch))
            ir_remove(f, v);
    }
    if (l->guarded && !(held && selfloop_phis_agree(f, l)))
        return NO_BLOCK;
    return selfloop_inline(f, l);
}

/* Rewrites the loop b is, if it is one; returns the block it became part of. */
static block clear_try(void *pass, block b) {
    struct clear *c = pass;
    if (!selfloop_find(c->f, b, &c->l) || !clear_matches(c) || !pass_may(c->env))
        return NO_BLOCK;
    pass_count(c->env, "loops", 1);
    c->changed = true;
    return clear_rewrite(c);
}

bool pass_clear_loop(struct func *f, struct pass_env *env) {
    struct clear c = {.f = f, .env = env};
    cells_init(&c.cells, f);
    selfloop_each(f, clear_try, &c);
    cells_free(&c.cells);
    return c.changed;
}

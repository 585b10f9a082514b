/* mul_loop.c: a counting loop becomes multiply-adds.
 *
 *   b1: %2 = load %1                     b1: %2 = load %1
 *       br %2, b2, b3                        br %2, b2, b3
 *   b2: %3 = load %1                     b2: %3 = load %1 + 1
 *       %4 = sub %3, 1                       %4 = mul %2, 5
 *       store %1, %4              =>         %5 = add %3, %4
 *       %5 = load %1 + 1                     store %1 + 1, %5
 *       %6 = add %5, 5                       store %1, 0
 *       store %1 + 1, %6                     jmp b3
 *       %7 = load %1
 *       br %7, b2, b3
 *
 * The body is followed symbolically: each value is written as
 *
 *   cell + c + m * w      cell: what one cell held at the head of the iteration, or nothing
 *                         w: a value that is the same in every iteration, or nothing
 *
 * and so is what each cell holds at the end.  The loop qualifies if the counter ends as itself + a
 * constant, and every other cell as itself + something, or as something, free of cells.  With an
 * odd step s the trip count is n = counter * (-s)^-1 modulo the cell width; adding n times is one
 * multiplication; setting n times is setting once.  A body entered with 0 would run 2^width times,
 * and n = 0 gives the right sums then, too.
 *
 * With an even step s = 2^t * o the loop ends only if 2^t divides the counter.  This is tested; if
 * not, the loop is kept without its exit: it runs for ever.
 *
 * The zero test stays in front: a loop that does not run must not touch its cells, which may be off
 * the tape.  When it runs, every cell is accessed in its first iteration, so nothing new can trap.
 * Only if all its cells are proven to be on the tape (bounds.h), few, and only added to, the test
 * goes: adding 0 times something does no harm, and what stands around becomes one block.
 *
 * Relies on: cells of one root differ if their offsets differ; loops that use several roots are
 * left alone.  Tests: tests/ir/mul-loop. */
#include <string.h>

#include "passes/bounds.h"
#include "passes/modular.h"
#include "passes/pass.h"
#include "passes/selfloop.h"
#include "runtime/alloc.h"

/* cell + c + m * w; see above. */
struct mul_sum {
    bool known;
    uint32_t cell; /* index in mul.cell + 1, or 0 */
    value w;
    uint64_t c, m;
};

struct mul_cell {
    uint32_t id;
    bool written, seen; /* anywhere in the body; so far */
    bool touched;       /* its TOUCH stands in the straight line */
    struct mul_sum now; /* what it holds, once seen */
    uint32_t load_src, store_src;
};

/* What is known of one instruction of the body. */
struct mul_value {
    value v;
    struct mul_sum sum;
    bool keep; /* computes something invariant that sums refer to: it stays */
};

struct mul {
    struct func *f;
    struct pass_env *env;
    bool changed;
    struct cells cells;
    struct selfloop l;
    value root;            /* of every access of the body */
    struct mul_cell *cell; /* the body's cells in order of first access */
    uint32_t ncell, cell_cap;
    struct mul_value *val; /* the body's instructions, in order */
    uint32_t nval, val_cap;
    uint32_t *slot_of_id; /* cell number -> index in cell + 1 */
    uint32_t id_cap;
    uint32_t *slot_of_value; /* value -> index in val + 1 */
    uint32_t value_cap;
    uint32_t counter; /* index in cell */
    uint64_t step;
    uint32_t nkept;
    bool *unsure;    /* by block: not all its accesses are known to be on the tape */
    uint32_t nknown; /* blocks this is known of */
};

/* How many cells a loop without zero test may add to: the work is done for nothing if the counter
 * is 0. */
#define MUL_UNGUARDED_CELLS 4

/* ---- sums ---- */

static struct mul_sum mul_number(uint64_t c) {
    return (struct mul_sum){.known = true, .c = c};
}

static struct mul_sum mul_opaque(value w) {
    return (struct mul_sum){.known = true, .w = w, .m = 1};
}

static bool mul_is_number(const struct mul_sum *s) {
    return s->known && !s->cell && !s->w.i;
}

static void mul_tidy(const struct mul *m, struct mul_sum *s) {
    s->c = ir_wrap(m->f, s->c);
    s->m = ir_wrap(m->f, s->m);
    if (s->m == 0)
        s->w = NO_VALUE;
    if (!s->w.i)
        s->m = 0;
}

/* a + k * b, for k = 1 or -1. */
static struct mul_sum mul_combine(const struct mul *m, struct mul_sum a, struct mul_sum b,
                                  uint64_t k) {
    struct mul_sum no = {0};
    if (!a.known || !b.known || (a.w.i && b.w.i && !same_value(a.w, b.w)))
        return no;
    struct mul_sum s = {
        .known = true, .w = a.w.i ? a.w : b.w, .c = a.c + k * b.c, .m = a.m + k * b.m};
    if (b.cell && k != 1) {
        if (a.cell != b.cell)
            return no;
    } else {
        if (a.cell && b.cell)
            return no;
        s.cell = a.cell ? a.cell : b.cell;
    }
    mul_tidy(m, &s);
    return s;
}

/* a * k */
static struct mul_sum mul_scale(const struct mul *m, struct mul_sum a, uint64_t k) {
    if (!a.known || (a.cell && ir_wrap(m->f, k) != 1))
        return (struct mul_sum){0};
    a.c *= k;
    a.m *= k;
    mul_tidy(m, &a);
    return a;
}

static struct mul_sum mul_sum_of(const struct mul *m, value v) {
    v = ir_resolve(m->f, v);
    if (ir_is_const(m->f, v))
        return mul_number(ir_const_of(m->f, v));
    if (!same_block(ir_home(m->f, v), m->l.body))
        return mul_opaque(v);
    return m->val[m->slot_of_value[v.i] - 1].sum;
}

/* ---- collecting the body's cells ---- */

static bool mul_is_access(const struct insn *in) {
    return in->op == OP_LOAD || in->op == OP_STORE || in->op == OP_TOUCH;
}

/* Can the operation stand in a body at all? */
static bool mul_op_allowed(const struct insn *in) {
    return mul_is_access(in) || in->op == OP_BR ||
           ((op_info[in->op].effects & EFF_PURE) && in->op != OP_PHI && in->op != OP_TAPE);
}

static struct mul_cell *mul_add_cell(struct mul *m, value v) {
    uint32_t id = cells_of(&m->cells, v);
    if (id >= m->id_cap) {
        uint32_t old = m->id_cap;
        m->slot_of_id = xgrow(m->slot_of_id, &m->id_cap, (uint64_t)id + 1, sizeof(uint32_t));
        memset(m->slot_of_id + old, 0, (m->id_cap - old) * sizeof(uint32_t));
    }
    if (m->slot_of_id[id] == 0) {
        m->cell = xgrow(m->cell, &m->cell_cap, (uint64_t)m->ncell + 1, sizeof *m->cell);
        m->cell[m->ncell] = (struct mul_cell){.id = id, .load_src = ir_at(m->f, v)->src};
        m->slot_of_id[id] = ++m->ncell;
    }
    return &m->cell[m->slot_of_id[id] - 1];
}

static bool mul_add_access(struct mul *m, value v) {
    struct mul_cell *c = mul_add_cell(m, v);
    value root = m->cells.at[c->id].root;
    if (ir_is(m->f, v, OP_STORE)) {
        c->written = true;
        c->store_src = ir_at(m->f, v)->src;
    }
    if (!m->root.i)
        m->root = root;
    return same_value(m->root, root) && !same_block(ir_home(m->f, root), m->l.body);
}

static void mul_add_value(struct mul *m, value v) {
    if (v.i >= m->value_cap) {
        uint32_t old = m->value_cap;
        m->slot_of_value = xgrow(m->slot_of_value, &m->value_cap, m->f->insn_cap, sizeof(uint32_t));
        memset(m->slot_of_value + old, 0, (m->value_cap - old) * sizeof(uint32_t));
    }
    m->val = xgrow(m->val, &m->val_cap, (uint64_t)m->nval + 1, sizeof *m->val);
    m->val[m->nval] = (struct mul_value){.v = v};
    m->slot_of_value[v.i] = ++m->nval;
}

static bool mul_collect(struct mul *m) {
    for (uint32_t i = 0; i < m->ncell; i++)
        m->slot_of_id[m->cell[i].id] = 0;
    m->ncell = m->nval = m->nkept = 0;
    cells_forget(&m->cells);
    m->root = NO_VALUE;
    IR_FOR_INSNS (m->f, m->l.body, v) {
        const struct insn *in = ir_at(m->f, v);
        if (!mul_op_allowed(in) || (mul_is_access(in) && !mul_add_access(m, v)))
            return false;
        mul_add_value(m, v);
    }
    return m->ncell > 0;
}

/* ---- following the body ---- */

static void mul_keep(struct mul *m, struct mul_value *x) {
    x->keep = true;
    x->sum = mul_opaque(x->v);
    m->nkept++;
}

static void mul_follow_load(struct mul *m, struct mul_value *x) {
    uint32_t slot = m->slot_of_id[cells_of(&m->cells, x->v)];
    struct mul_cell *c = &m->cell[slot - 1];
    if (!c->seen) {
        c->seen = true;
        if (c->written)
            c->now = (struct mul_sum){.known = true, .cell = slot};
        else {
            mul_keep(m, x);
            c->now = x->sum;
        }
    }
    x->sum = c->now;
}

/* An operation on values of which none depends on a cell the loop writes stays as it is. */
static void mul_follow_opaque(struct mul *m, struct mul_value *x) {
    for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
        value *o = ir_operand(m->f, x->v, n);
        if (!o)
            continue;
        struct mul_sum s = mul_sum_of(m, *o);
        if (!s.known || s.cell)
            return;
    }
    mul_keep(m, x);
}

static void mul_follow_arith(struct mul *m, struct mul_value *x) {
    const struct insn *in = ir_at(m->f, x->v);
    struct mul_sum a = mul_sum_of(m, in->a), b = mul_sum_of(m, in->b);
    if (in->op == OP_ADD)
        x->sum = mul_combine(m, a, b, 1);
    else if (in->op == OP_SUB)
        x->sum = mul_combine(m, a, b, UINT64_MAX);
    else if (mul_is_number(&b))
        x->sum = mul_scale(m, a, b.c);
    else if (mul_is_number(&a))
        x->sum = mul_scale(m, b, a.c);
    if (!x->sum.known)
        mul_follow_opaque(m, x);
}

/* Fills in what x computes, or what its cell becomes; false if the loop does not qualify. */
static bool mul_follow(struct mul *m, struct mul_value *x) {
    const struct insn *in = ir_at(m->f, x->v);
    if (in->op == OP_LOAD) {
        mul_follow_load(m, x);
    } else if (in->op == OP_STORE) {
        struct mul_cell *c = &m->cell[m->slot_of_id[cells_of(&m->cells, x->v)] - 1];
        c->now = mul_sum_of(m, in->b);
        c->seen = true;
        return c->now.known;
    } else if (in->op == OP_ADD || in->op == OP_SUB || in->op == OP_MUL) {
        mul_follow_arith(m, x);
    } else if (in->op == OP_TOUCH || in->op == OP_MOVE || in->op == OP_BR) {
        x->keep = in->op == OP_TOUCH;
    } else if (op_info[in->op].effects & EFF_PURE) {
        mul_follow_opaque(m, x);
    }
    return true;
}

/* ---- does the loop qualify? ---- */

static bool mul_same(const struct mul_sum *a, const struct mul_sum *b) {
    return a->known && b->known && a->cell == b->cell && same_value(a->w, b->w) && a->c == b->c &&
           a->m == b->m;
}

/* Is what cell i gains per iteration free of cells?  (Or what it is set to.) */
static bool mul_cell_fits(const struct mul *m, uint32_t i) {
    const struct mul_cell *c = &m->cell[i];
    return !c->written || !c->now.cell || c->now.cell == i + 1;
}

static bool mul_find_counter(struct mul *m) {
    struct mul_sum cond = mul_sum_of(m, m->l.cond);
    if (!cond.known || !cond.cell || cond.w.i || cond.c == 0)
        return false;
    m->counter = cond.cell - 1;
    m->step = cond.c;
    return mul_same(&cond, &m->cell[m->counter].now);
}

/* Can the value of x at the end of the last iteration be computed from what the cells hold then?
 * Invariants can; a cell at the head of that iteration is the cell at its end less what it gained.
 */
static bool mul_escape_fits(const struct mul *m, const struct mul_value *x) {
    if (!x->sum.known)
        return false;
    if (!x->sum.cell)
        return true;
    const struct mul_sum *now = &m->cell[x->sum.cell - 1].now;
    return now->cell == x->sum.cell && (!now->w.i || !x->sum.w.i || same_value(now->w, x->sum.w));
}

static bool mul_is_even(const struct mul *m) {
    return (m->step & 1) == 0;
}

/* The even case needs its guard's value, and has no place for what would leave the loop. */
static bool mul_even_fits(struct mul *m, bool escapes) {
    return !escapes && m->nkept == 0 && m->l.guarded &&
           selfloop_holds(&m->cells, m->l.pre, m->cell[m->counter].id, m->l.guard);
}

static bool mul_qualifies(struct mul *m) {
    if (!mul_find_counter(m))
        return false;
    for (uint32_t i = 0; i < m->ncell; i++)
        if (!mul_cell_fits(m, i))
            return false;
    bool escapes = false;
    for (uint32_t i = 0; i < m->nval; i++) {
        if (!ir_at(m->f, m->val[i].v)->mark)
            continue;
        escapes = true;
        if (!mul_escape_fits(m, &m->val[i]))
            return false;
    }
    return !mul_is_even(m) || mul_even_fits(m, escapes);
}

static bool mul_matches(struct mul *m) {
    if (!mul_collect(m))
        return false;
    for (uint32_t i = 0; i < m->nval; i++)
        if (!mul_follow(m, &m->val[i]))
            return false;
    return mul_qualifies(m);
}

/* ---- writing the straight line ---- */

/* Inserts a operation b before `at`, folding the cases that would be silly to emit. */
static value mul_emit(struct mul *m, value at, enum op op, value a, value b) {
    struct func *f = m->f;
    bool mul = op == OP_MUL;
    if (ir_is_const(f, a) && (mul || op == OP_ADD)) {
        value t = a;
        a = b;
        b = t;
    }
    if (ir_is_const(f, b)) {
        uint64_t n = ir_const_of(f, b);
        if (ir_is_const(f, a))
            return ir_const(f, mul ? ir_const_of(f, a) * n : ir_const_of(f, a) + n);
        if (n == (mul ? 1u : 0u))
            return a;
        if (mul && n == 0)
            return b;
    }
    return ir_before(f, at, op, a, b, 0, ir_at(f, at)->src);
}

/* c + w * m, computed before `at`. */
static value mul_emit_sum(struct mul *m, value at, const struct mul_sum *s) {
    value c = ir_const(m->f, s->c);
    if (!s->w.i)
        return c;
    value w = ir_resolve(m->f, s->w);
    return mul_emit(m, at, OP_ADD, mul_emit(m, at, OP_MUL, w, ir_const(m->f, s->m)), c);
}

static value mul_emit_load(struct mul *m, value at, const struct mul_cell *c) {
    return ir_before(m->f, at, OP_LOAD, m->root, NO_VALUE, m->cells.at[c->id].off, c->load_src);
}

static void mul_emit_store(struct mul *m, value at, const struct mul_cell *c, value v) {
    ir_before(m->f, at, OP_STORE, m->root, v, m->cells.at[c->id].off, c->store_src);
}

/* What the counter held before the loop. */
static value mul_emit_start(struct mul *m, value at) {
    const struct mul_cell *c = &m->cell[m->counter];
    if (m->l.guarded && selfloop_holds(&m->cells, m->l.pre, c->id, m->l.guard)) {
        ir_at(m->f, m->l.guard)->mark = 1;
        return m->l.guard;
    }
    return mul_emit_load(m, at, c);
}

/* The trip count is factor * scale: `scale` is a constant that can often be folded into others. */
struct mul_trips {
    value factor;
    uint64_t scale;
};

/* What adding `gain` as often as the loop runs amounts to. */
static value mul_emit_total(struct mul *m, value at, const struct mul_trips *n,
                            const struct mul_sum *gain) {
    if (gain->w.i) {
        value trips = mul_emit(m, at, OP_MUL, n->factor, ir_const(m->f, n->scale));
        return mul_emit(m, at, OP_MUL, mul_emit_sum(m, at, gain), trips);
    }
    return mul_emit(m, at, OP_MUL, n->factor, ir_const(m->f, gain->c * n->scale));
}

/* Brings one cell from before the loop to behind it. */
static void mul_emit_cell(struct mul *m, value at, const struct mul_trips *n, uint32_t i) {
    struct mul_cell *c = &m->cell[i];
    value v;
    if (i == m->counter)
        v = ir_const(m->f, 0);
    else if (c->now.cell == 0)
        v = mul_emit_sum(m, at, &c->now);
    else if (c->now.c == 0 && !c->now.w.i)
        return; /* ends as it began */
    else {
        value old = mul_emit_load(m, at, c);
        v = mul_emit(m, at, OP_ADD, old, mul_emit_total(m, at, n, &c->now));
    }
    mul_emit_store(m, at, c, v);
}

static void mul_emit_cells(struct mul *m, value at, const struct mul_trips *n) {
    for (uint32_t i = 0; i < m->ncell; i++)
        if (m->cell[i].written && i != m->counter)
            mul_emit_cell(m, at, n, i);
    mul_emit_cell(m, at, n, m->counter);
}

/* Replaces a value used behind the loop by what it was in the last iteration. */
static void mul_emit_escape(struct mul *m, value at, struct mul_value *x) {
    struct mul_sum s = x->sum;
    value with;
    if (s.cell) {
        struct mul_cell *c = &m->cell[s.cell - 1];
        struct mul_sum less = c->now;
        s.cell = less.cell = 0;
        s = mul_combine(m, s, less, UINT64_MAX);
        value end = s.cell == m->counter + 1 ? ir_const(m->f, 0) : mul_emit_load(m, at, c);
        with = mul_emit(m, at, OP_ADD, end, mul_emit_sum(m, at, &s));
    } else {
        with = mul_emit_sum(m, at, &s);
    }
    if (same_value(ir_resolve(m->f, with), x->v))
        return;
    ir_replace(m->f, x->v, with);
    ir_at(m->f, with)->mark = 1;
}

/* Kept accesses no longer go through moves of the body. */
static void mul_patch_address(struct mul *m, value v) {
    int64_t off = m->cells.at[cells_of(&m->cells, v)].off;
    struct insn *in = ir_at(m->f, v);
    in->a = m->root;
    in->imm = off;
}

/* A kept operation may use values that go, such as a load of what the body stored before. */
static void mul_patch_operands(struct mul *m, value v) {
    for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
        value *o = ir_operand(m->f, v, n);
        if (!o)
            continue;
        struct mul_sum s = mul_sum_of(m, *o);
        value with = mul_emit_sum(m, v, &s);
        ir_set_operand(m->f, v, n, with); /* f->insn may have moved */
    }
}

/* Of several TOUCHes of one cell the first is enough. */
static bool mul_is_kept_touch(struct mul *m, const struct mul_value *x) {
    if (!ir_is(m->f, x->v, OP_TOUCH))
        return true;
    struct mul_cell *c = &m->cell[m->slot_of_id[cells_of(&m->cells, x->v)] - 1];
    bool first = !c->touched;
    c->touched = true;
    return first;
}

/* Removes what the straight line does not need, users before what they use. */
static void mul_remove_rest(struct mul *m) {
    for (uint32_t i = m->nval; i-- > 0;) {
        struct mul_value *x = &m->val[i];
        if (x->keep || ir_has(m->f, x->v, EFF_END) || ir_is(m->f, x->v, OP_COPY))
            continue;
        ir_remove(m->f, x->v);
    }
}

static void mul_prepare_kept(struct mul *m) {
    for (uint32_t i = 0; i < m->nval; i++) {
        struct mul_value *x = &m->val[i];
        if (x->keep)
            x->keep = mul_is_kept_touch(m, x);
        if (x->keep && mul_is_access(ir_at(m->f, x->v)))
            mul_patch_address(m, x->v);
        else if (x->keep)
            mul_patch_operands(m, x->v);
    }
}

static void mul_note_unsure(void *context, value v, bool inside, bool fixed) {
    struct mul *m = context;
    (void)fixed;
    if (!inside)
        m->unsure[ir_home(m->f, v).i] = true;
}

/* Asks for the blocks with accesses that may leave the tape: only when a loop wants to know, since
 * it is the larger part of the work of a pass that finds nothing. */
static void mul_find_unsure(struct mul *m) {
    m->nknown = m->f->nblock;
    m->unsure = xcalloc(m->f->nblock, sizeof *m->unsure);
    bounds_walk(m->f, mul_note_unsure, m);
}

/* Would the straight line do no harm if it ran with a counter of 0?  (Decided before it is built.)
 */
static bool mul_needs_no_guard(struct mul *m) {
    uint32_t nwritten = 0;
    if (!m->l.guarded)
        return false;
    if (!m->unsure)
        mul_find_unsure(m);
    if (m->l.body.i >= m->nknown || m->unsure[m->l.body.i])
        return false;
    for (uint32_t i = 0; i < m->ncell; i++) {
        nwritten += m->cell[i].written && i != m->counter;
        if (m->cell[i].written && m->cell[i].now.cell != i + 1)
            return false;
    }
    return nwritten <= MUL_UNGUARDED_CELLS && selfloop_phis_agree(m->f, &m->l) &&
           selfloop_holds(&m->cells, m->l.pre, m->cell[m->counter].id, m->l.guard);
}

/* The odd case: the body itself becomes the straight line. */
static void mul_rewrite_odd(struct mul *m) {
    struct func *f = m->f;
    value at = ir_terminator(f, m->l.body);
    mul_prepare_kept(m);
    struct mul_trips n = {mul_emit_start(m, at), ir_wrap(f, odd_inverse(0 - m->step))};
    mul_emit_cells(m, at, &n);
    for (uint32_t i = 0; i < m->nval; i++)
        if (ir_at(f, m->val[i].v)->mark)
            mul_emit_escape(m, at, &m->val[i]);
    selfloop_open(f, &m->l);
    m->nval--; /* the br is gone */
    mul_remove_rest(m);
}

/* The number of zero bits at the low end of the step. */
static unsigned mul_twos(const struct mul *m) {
    return (unsigned)__builtin_ctzll(m->step);
}

/* Puts `br rest, body, line` at the end of test, line -> exit in place of body -> exit, and leaves
 * the body running for ever. */
static void mul_wire_even(struct mul *m, block test, block line, value rest) {
    struct func *f = m->f;
    uint32_t src = ir_at(f, ir_terminator(f, m->l.body))->src;
    ir_cut_edge(f, m->l.body, 1);
    ir_remove(f, ir_terminator(f, test));
    struct block_data *t = ir_block(f, test), *d = ir_block(f, line);
    t->succ[1] = line;
    t->nsucc = 2;
    d->pred[0] = test;
    d->npred = 1;
    ir_append(f, test, OP_BR, rest, NO_VALUE, 0, src);
}

/* (counter / 2^twos) * (-odd part of the step)^-1, modulo 2^(width - twos). */
static value mul_emit_even_trips(struct mul *m, value at) {
    struct func *f = m->f;
    unsigned twos = mul_twos(m);
    uint32_t src = ir_at(f, at)->src;
    value half = ir_before(f, at, OP_SHR, m->l.guard, ir_const(f, twos), 0, src);
    uint64_t inverse = odd_inverse(ir_wrap(f, 0 - m->step) >> twos);
    value n = mul_emit(m, at, OP_MUL, half, ir_const(f, inverse));
    return ir_before(f, at, OP_AND, n, ir_const(f, ir_wrap(f, UINT64_MAX) >> twos), 0, src);
}

static void mul_copy_touch(struct mul *m, value at, value touch) {
    const struct insn in = *ir_at(m->f, touch);
    int64_t off = m->cells.at[cells_of(&m->cells, touch)].off;
    ir_before(m->f, at, OP_TOUCH, m->root, NO_VALUE, off, in.src);
}

static void mul_rewrite_even(struct mul *m) {
    struct func *f = m->f;
    uint64_t low = (UINT64_C(1) << mul_twos(m)) - 1;
    block line = ir_split_edge(f, m->l.body, 1), test = ir_split_edge(f, m->l.pre, 0);
    ir_at(f, m->l.guard)->mark = 1;
    value rest = ir_before(f, ir_terminator(f, test), OP_AND, m->l.guard, ir_const(f, low), 0,
                           ir_at(f, m->l.guard)->src);
    value at = ir_terminator(f, line);
    ir_at(f, at)->src = ir_at(f, ir_terminator(f, m->l.body))->src;
    for (uint32_t i = 0; i < m->nval; i++)
        if (m->val[i].keep && mul_is_kept_touch(m, &m->val[i]))
            mul_copy_touch(m, at, m->val[i].v);
    struct mul_trips n = {mul_emit_even_trips(m, at), 1};
    mul_emit_cells(m, at, &n);
    mul_wire_even(m, test, line, rest);
}

/* Rewrites the loop b is, if it is one; returns the block it became part of if it had no guard. */
static block mul_try(void *pass, block b) {
    struct mul *m = pass;
    if (!selfloop_find(m->f, b, &m->l) || !mul_matches(m) || !pass_may(m->env))
        return NO_BLOCK;
    m->changed = true;
    if (mul_is_even(m)) {
        pass_count(m->env, "even", 1);
        mul_rewrite_even(m);
        return NO_BLOCK;
    }
    bool unguarded = mul_needs_no_guard(m);
    pass_count(m->env, unguarded ? "unguarded" : "loops", 1);
    mul_rewrite_odd(m);
    if (m->l.guarded && !unguarded)
        return NO_BLOCK;
    b = selfloop_inline(m->f, &m->l);
    if (m->unsure && b.i < m->nknown)
        m->unsure[b.i] = true; /* it has become longer */
    return b;
}

bool pass_mul_loop(struct func *f, struct pass_env *env) {
    struct mul m = {.f = f, .env = env};
    cells_init(&m.cells, f);
    selfloop_each(f, mul_try, &m);
    cells_free(&m.cells);
    xfree(m.unsure);
    xfree(m.cell);
    xfree(m.val);
    xfree(m.slot_of_id);
    xfree(m.slot_of_value);
    return m.changed;
}

/* unroll.c: a short walk goes two steps a round.
 *
 *   b2: %2 = phi b1 %1, b2 %4              b2: %2 = phi b1 %1, b3 %7
 *       %3 = load %2 + 1                       %3 = load %2 + 1
 *       store %2 + 10, %3                      store %2 + 10, %3
 *       %4 = move %2 - 9                       %5 = load %2 - 9
 *       %5 = load %2 - 9             =>        br %5, b3, b4
 *       br %5, b2, b6                      b3: %6 = load %2 - 8
 *   b6: ...                                    store %2 + 1, %6
 *                                              %7 = move %2 - 18
 *                                              %8 = load %2 - 18
 *                                              br %8, b2, b5
 *                                          b4: %9 = move %2 - 9
 *                                              jmp b5
 *                                          b5: %10 = phi b4 %9, b3 %7        for %4
 *                                              jmp b6
 *
 * A loop of a few instructions takes as long as its jump back, of which a processor does one in one
 * or two cycles, and as the sum that moves the pointer.  Two rounds in one leave half of both.  The
 * number of rounds is not known, so each tests as before.  (Loop unrolling: Muchnick, "Advanced
 * Compiler Design and Implementation", 1997, 17.4.3; of loops that are left in the middle: Davidson
 * & Jinturkar, "Aggressive loop unrolling in a retargetable compiler", CC 1996.)
 *
 * The loops are single blocks that access the tape at distances from a pointer that moves by a
 * constant, and do nothing else but compute.
 *
 * Traps: what is accessed, and in which order, does not change; touches, which --strict asks for,
 * keep a loop as it is.  Relies on: rotated loops.  Linear: a loop becomes twice as long, once;
 * uses behind all loops are renamed in one sweep.  Tests: tests/ir/unroll. */
#include "passes/cells.h"
#include "passes/pass.h"
#include "passes/selfloop.h"
#include "runtime/alloc.h"

#define UNROLL_INSNS 6 /* of a loop, phis and the branch besides */
#define UNROLL_PHIS  4

struct unroll {
    struct func *f;
    struct pass_env *env;
    struct cells cells;
    uint32_t ninsn;
    value *second; /* by value of a loop: what it is in the second round */
    value *behind; /* by value of a loop: what it is behind both */
    block *of;     /* by block: the loop it became part of */
    /* The loop at hand. */
    struct selfloop l;
    value walker; /* the pointer, a phi */
    int64_t step; /* by which it moves */
    block twin, side, meet; /* the second round; the way out of the first; where both end */
    bool changed;
};

/* ---- which loops ---- */

/* Does each round move v by a constant?  Makes v the walker. */
static bool is_walker(struct unroll *u, value v) {
    unsigned back = ir_pred_slot(u->f, u->l.body, u->l.body);
    struct cell next = cells_address(&u->cells, *ir_phi_operand(u->f, v, back), 0);
    u->walker = v;
    u->step = next.off;
    return same_value(next.root, v) && next.off != 0;
}

static bool may_unroll(struct unroll *u) {
    unsigned ninsn = 0, nphi = 0;
    u->walker = NO_VALUE;
    IR_FOR_INSNS (u->f, u->l.body, v) {
        const struct insn *in = ir_at(u->f, v);
        if (in->op == OP_PHI) {
            if (++nphi > UNROLL_PHIS || (in->kind == KIND_PTR && (u->walker.i || !is_walker(u, v))))
                return false;
        } else if (in->op != OP_BR) {
            if (in->op != OP_LOAD && in->op != OP_STORE && !ir_has(u->f, v, EFF_PURE))
                return false;
            if (++ninsn > UNROLL_INSNS)
                return false;
        }
    }
    return u->walker.i != 0;
}

/* ---- the second round ---- */

/* What v is in the second round. */
static value second_of(const struct unroll *u, value v) {
    v = ir_resolve(u->f, v);
    return same_block(ir_home(u->f, v), u->l.body) ? u->second[v.i] : v;
}

/* An access relative to the walker, moved, becomes one relative to the walker itself.  Other
 * pointers stay as they are: their roots may walk in loops of their own. */
static void follow_walker(struct unroll *u, value v) {
    struct insn *in = ir_at(u->f, v);
    if (op_info[in->op].a != KIND_PTR)
        return;
    struct cell at = cells_address(&u->cells, in->a, in->imm);
    if (!same_value(at.root, u->walker))
        return;
    in->a = at.root;
    in->imm = at.off;
}

static void copy_insn(struct unroll *u, value v) {
    value w = ir_append_copy(u->f, u->twin, v);
    for (unsigned n = 0; n < IR_MAX_OPERANDS; n++)
        if (ir_operand(u->f, w, n))
            ir_set_operand(u->f, w, n, second_of(u, *ir_operand(u->f, w, n)));
    follow_walker(u, w);
    u->second[v.i] = w;
}

/* Phis are, in the second round, what the first hands on. */
static void copy_body(struct unroll *u) {
    unsigned back = ir_pred_slot(u->f, u->l.body, u->l.body);
    for (value v = ir_block(u->f, u->l.body)->first; v.i; v = ir_next(u->f, v)) {
        if (ir_is(u->f, v, OP_PHI))
            u->second[v.i] = ir_resolve(u->f, *ir_phi_operand(u->f, v, back));
        else
            copy_insn(u, v);
    }
}

/* The second round follows the first, and hands on to it. */
static void join_rounds(struct unroll *u) {
    struct func *f = u->f;
    block body = u->l.body;
    unsigned back = ir_pred_slot(f, body, body), n = 0;
    value next[UNROLL_PHIS];
    ir_set_succ(f, body, 0, u->twin);
    ir_set_pred(f, u->twin, 0, body);
    ir_set_succ(f, u->twin, 0, body);
    ir_set_succ(f, u->twin, 1, u->meet);
    ir_set_pred(f, body, back, u->twin);
    ir_set_pred(f, u->meet, 1, u->twin);
    IR_FOR_INSNS (f, body, v)
        if (ir_is(f, v, OP_PHI))
            next[n++] = second_of(u, *ir_phi_operand(f, v, back));
    n = 0;
    IR_FOR_INSNS (f, body, v)
        if (ir_is(f, v, OP_PHI))
            *ir_phi_operand(f, v, back) = next[n++];
}

/* Where the walk has come to behind both rounds.  The first moves there when it is left: only the
 * second keeps a pointer of its own. */
static value walk_end(struct unroll *u) {
    struct func *f = u->f;
    value first = ir_append(f, u->side, OP_MOVE, u->walker, NO_VALUE, u->step, NO_SRC);
    value second = *ir_phi_operand(f, u->walker, ir_pred_slot(f, u->twin, u->l.body));
    return ir_phi(f, u->meet, KIND_PTR, first, second);
}

/* What v, used behind the loop, is behind both rounds: that of the round that was the last. */
static value last_of(struct unroll *u, value v, value end) {
    enum kind kind = (enum kind)ir_at(u->f, v)->kind;
    struct cell at = {v, 0};
    if (kind == KIND_PTR)
        at = cells_address(&u->cells, v, 0);
    if (!same_value(at.root, u->walker))
        return ir_phi(u->f, u->meet, kind, v, u->second[v.i]);
    int64_t off = cells_add(at.off, -u->step);
    return off ? ir_append(u->f, u->meet, OP_MOVE, end, NO_VALUE, off, NO_SRC) : end;
}

static void leave_both(struct unroll *u) {
    value end = walk_end(u);
    for (value v = ir_block(u->f, u->l.body)->first; v.i; v = ir_next(u->f, v))
        if (ir_at(u->f, v)->mark)
            u->behind[v.i] = last_of(u, v, end);
}

static void unroll_loop(struct unroll *u) {
    u->side = ir_split_edge(u->f, u->l.body, 1);
    u->meet = ir_split_edge(u->f, u->side, 0);
    u->twin = ir_block_new(u->f, u->l.body);
    copy_body(u);
    join_rounds(u);
    leave_both(u);
    pass_count(u->env, "loops", 1);
    u->changed = true;
}

/* ---- the pass ---- */

/* Is block b a loop that can be unrolled?  Makes it the loop at hand. */
static bool take_loop(struct unroll *u, block b) {
    return selfloop_find(u->f, b, &u->l) && may_unroll(u);
}

static uint32_t count_loops(struct unroll *u) {
    uint32_t n = 0;
    IR_FOR_BLOCKS (u->f, b)
        n += take_loop(u, b);
    return n;
}

/* Each loop gets three blocks more, which are none to look at. */
static void unroll_each(struct unroll *u) {
    for (uint32_t i = 1, n = u->f->nblock; i < n; i++) {
        block b = {i};
        if (!take_loop(u, b) || !pass_may(u->env))
            continue;
        unroll_loop(u);
        u->of[b.i] = u->of[u->twin.i] = u->of[u->side.i] = u->of[u->meet.i] = b;
    }
}

/* Uses behind a loop mean what both its rounds end with. */
static void rename_behind(struct unroll *u) {
    struct func *f = u->f;
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS (f, b, v) {
            for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
                value *o = ir_operand(f, v, n);
                if (!o || o->i >= u->ninsn || !u->behind[o->i].i ||
                    same_block(u->of[b.i], ir_home(f, *o)))
                    continue;
                *o = u->behind[o->i];
            }
        }
    }
}

bool pass_unroll(struct func *f, struct pass_env *env) {
    struct unroll u = {.f = f, .env = env, .ninsn = f->ninsn};
    cells_init(&u.cells, f);
    uint32_t loops = count_loops(&u);
    if (loops > 0) {
        u.second = xcalloc(f->ninsn, sizeof *u.second);
        u.behind = xcalloc(f->ninsn, sizeof *u.behind);
        u.of = xcalloc((size_t)f->nblock + 3 * (size_t)loops, sizeof *u.of);
        selfloop_mark_escapes(f);
        unroll_each(&u);
        rename_behind(&u);
    }
    cells_free(&u.cells);
    xfree(u.second);
    xfree(u.behind);
    xfree(u.of);
    return u.changed;
}

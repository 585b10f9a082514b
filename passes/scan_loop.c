/* scan_loop.c: a loop that only moves the pointer until it finds a zero becomes a scan.
 *
 *   b1: %2 = load %1                        b1: %5 = scan %1, step 2
 *       br %2, b2, b3                           ... what b3 holds, with %5 for %6
 *   b2: %3 = phi b1 %1, b2 %4       =>
 *       %4 = move %3 + 2
 *       %5 = load %4
 *       br %5, b2, b3
 *   b3: %6 = phi b1 %1, b2 %4
 *
 * A scan may make no step, so it does the guard's work too if the guard tests the cell the scan
 * would look at first, and if what the exit's phis choose is then the same distance from the
 * pointer on both ways in.  Otherwise the guard stays and the scan starts one step further on.
 * In strict units the guard's TOUCH stays where it is; those of the body are the scan's own.
 * Tests: tests/ir/scan-loop. */
#include "passes/pass.h"
#include "passes/selfloop.h"

struct scan {
    struct func *f;
    struct pass_env *env;
    bool changed;
    struct cells cells;
    struct selfloop l;
    value phi;   /* the pointer at the head of an iteration */
    value start; /* what it is before the first */
    int64_t step;
    int64_t test; /* the tested cell as an offset from phi */
    uint32_t src;
};

static value scan_operand(const struct scan *s, value phi, block from, block to) {
    return ir_resolve(s->f, *ir_phi_operand(s->f, phi, ir_pred_slot(s->f, from, to)));
}

static bool scan_find_phi(struct scan *s) {
    struct func *f = s->f;
    s->phi = ir_block(f, s->l.body)->first;
    value second = ir_next(f, s->phi);
    if (!ir_is(f, s->phi, OP_PHI) || ir_at(f, s->phi)->kind != KIND_PTR || ir_is(f, second, OP_PHI))
        return false;
    s->start = scan_operand(s, s->phi, s->l.pre, s->l.body);
    value back = scan_operand(s, s->phi, s->l.body, s->l.body);
    struct cell next = cells_address(&s->cells, back, 0);
    s->step = next.off;
    return same_value(next.root, s->phi) && s->step != 0 && s->step == (int32_t)s->step;
}

/* The address p + k as a distance from the phi. */
static bool scan_distance(struct scan *s, value p, int64_t k, int64_t *d) {
    struct cell a = cells_address(&s->cells, p, k);
    *d = a.off;
    return same_value(a.root, s->phi);
}

static bool scan_find_test(struct scan *s) {
    const struct insn *in = ir_at(s->f, s->l.cond);
    s->src = in->src;
    return in->op == OP_LOAD && same_block(ir_home(s->f, s->l.cond), s->l.body) &&
           scan_distance(s, in->a, in->imm, &s->test);
}

/* Does nothing else happen in the body, and does nothing leave it that the scan cannot tell? */
static bool scan_only(struct scan *s) {
    IR_FOR_INSNS (s->f, s->l.body, v) {
        const struct insn *in = ir_at(s->f, v);
        int64_t d;
        switch ((int)in->op) {
        case OP_PHI:
        case OP_BR:
            break;
        case OP_MOVE:
            if (in->mark && !scan_distance(s, v, 0, &d))
                return false;
            break;
        case OP_LOAD:
            if (in->mark && !same_value(v, s->l.cond))
                return false;
            break;
        case OP_TOUCH:
            if (!scan_distance(s, in->a, in->imm, &d) || d != s->test)
                return false;
            break;
        default:
            return false;
        }
    }
    return true;
}

static bool scan_matches(struct scan *s) {
    cells_forget(&s->cells);
    return scan_find_phi(s) && scan_find_test(s) && scan_only(s);
}

/* Would the exit's phi be right to take its operand from behind the scan on both ways? */
static bool scan_phi_agrees(struct scan *s, value phi) {
    value skipped = scan_operand(s, phi, s->l.pre, s->l.exit);
    value scanned = scan_operand(s, phi, s->l.body, s->l.exit);
    if (same_value(skipped, scanned) ||
        (same_value(skipped, s->l.guard) && same_value(scanned, s->l.cond)))
        return true;
    if (ir_at(s->f, phi)->kind != KIND_PTR)
        return false;
    struct cell a = cells_address(&s->cells, skipped, 0), b = cells_address(&s->cells, scanned, 0);
    struct cell p = cells_address(&s->cells, s->start, 0);
    return same_value(b.root, s->phi) && same_value(a.root, p.root) &&
           cells_add(a.off, s->step) == cells_add(b.off, p.off);
}

/* Can the scan do the guard's work? */
static bool scan_replaces_guard(struct scan *s) {
    if (!s->l.guarded)
        return false;
    int64_t k = s->test - s->step;
    if (!selfloop_holds(&s->cells, s->l.pre, cells_id(&s->cells, s->start, k), s->l.guard))
        return false;
    IR_FOR_INSNS (s->f, s->l.exit, v) {
        if (!ir_is(s->f, v, OP_PHI))
            break;
        if (!scan_phi_agrees(s, v))
            return false;
    }
    return true;
}

static value scan_emit_move(struct func *f, value at, value p, int64_t k, uint32_t src) {
    return k == 0 ? p : ir_before(f, at, OP_MOVE, p, NO_VALUE, k, src);
}

/* Replaces v, used behind the loop, by what it was in the last iteration; `end` is where the
 * pointer would have been in the next. */
static void scan_replace(struct scan *s, value at, value v, value end) {
    struct func *f = s->f;
    value with = ir_const(f, 0); /* the test */
    if (ir_at(f, v)->kind == KIND_PTR) {
        int64_t d;
        scan_distance(s, v, 0, &d);
        with = scan_emit_move(f, at, end, d - s->step, ir_at(f, v)->src);
    }
    ir_at(f, with)->mark = 1;
    ir_replace(f, v, with);
}

/* Clears the body of what was there before `to`, uses before definitions. */
static void scan_empty_body(struct scan *s, value to, value at, value end) {
    for (value v = ir_prev(s->f, to), up; v.i; v = up) {
        up = ir_prev(s->f, v);
        if (ir_at(s->f, v)->mark)
            scan_replace(s, at, v, end);
        else
            ir_remove(s->f, v);
    }
}

static block scan_rewrite(struct scan *s) {
    struct func *f = s->f;
    bool whole = scan_replaces_guard(s);
    value at = ir_terminator(f, s->l.body);
    ir_at(f, s->start)->mark = 1;
    value first = ir_prev(f, at);
    value p = scan_emit_move(f, at, s->start, whole ? 0 : s->step, s->src);
    value end = ir_before(f, at, OP_SCAN, p, NO_VALUE, s->test - s->step, s->src);
    ir_at(f, end)->stride = (int32_t)s->step;
    scan_empty_body(s, ir_next(f, first), at, end);
    selfloop_open(f, &s->l);
    return whole || !s->l.guarded ? selfloop_inline(f, &s->l) : NO_BLOCK;
}

static block scan_try(void *pass, block b) {
    struct scan *s = pass;
    if (!selfloop_find(s->f, b, &s->l) || !scan_matches(s) || !pass_may(s->env))
        return NO_BLOCK;
    pass_count(s->env, "loops", 1);
    s->changed = true;
    return scan_rewrite(s);
}

bool pass_scan_loop(struct func *f, struct pass_env *env) {
    struct scan s = {.f = f, .env = env};
    cells_init(&s.cells, f);
    selfloop_each(f, scan_try, &s);
    cells_free(&s.cells);
    return s.changed;
}

/* fold.c: constants, algebraic identities, trivial phis, known branches.
 *
 *   %3 = add %1, 2                        %4 = add %1, 5
 *   %4 = add %3, 3                        ...
 *   %5 = phi %4, %5               =>      out %4
 *   out %5                                jmp b2
 *   br 1, b2, b3
 *
 * The algebraic rules stand in fold.def.  Blocks are visited in reverse post-order, so operands are
 * simplified before their uses; behind a back edge the phis of its target are tried again, which
 * gives nested loops that keep a value the value itself, innermost first.  Only when that changed
 * something above does another sweep follow, FOLD_SWEEPS in all; so the pass is linear.
 * A branch on a constant cuts its edge; blocks that can no longer be reached go.
 * Tests: tests/ir/fold, tests/unit/test_fold_rules.c. */
#include "passes/fold.h"

#include "ir/cfg.h"
#include "passes/pass.h"
#include "passes/tidy.h"
#include "runtime/alloc.h"

#define FOLD_SWEEPS 8
#define FOLD_STEPS  32 /* rewrites in one visit; no chain of rules is near that long */

enum {
#define RULE(name, pattern, with)  FOLD_NUMBER_##name,
#define TRUTH(name, pattern, with) FOLD_NUMBER_##name,
#include "passes/fold.def"
#undef RULE
#undef TRUTH
    FOLD_RULES
};

struct fold {
    struct func *f;
    struct pass_env *env;
    struct rpo rpo;
    uint32_t *uses; /* of each value; grows with the function */
    uint32_t nuses, uses_cap;
    uint16_t first[OP_COUNT + 1]; /* rules with this root: [first[op], first[op + 1]) */
    uint16_t truth;               /* the first TRUTH rule */
    uint64_t needs[FOLD_RULES];   /* per rule: what must be among the root's operands, as a set */
    bool *live;                   /* blocks this sweep has reached */
    bool again;                   /* something changed above the place of the sweep */
    bool cut;                     /* an edge went: blocks may be unreachable */
    bool changed;
    value todo[FOLD_STEPS]; /* new instructions of a rewrite, to be simplified themselves */
    unsigned ntodo;
};

struct fold_match {
    const struct fold_rule *rule;
    value var[FOLD_VARS];
    bool shared; /* an inner operation of the pattern has other uses */
};

/* ---- the table ---- */

static unsigned fold_arity(int op) {
    return op == OP_SELECT ? 3 : 2;
}

/* The number of operations in a tree, and *end past it. */
static unsigned fold_tree_ops(const int8_t *code, const int8_t **end) {
    unsigned ops = 0;
    for (unsigned trees = 1; trees > 0; trees--) {
        int head = *code++;
        if (head == FOLD_NUM)
            code++;
        if (head >= FOLD_X)
            continue;
        ops++;
        trees += fold_arity(head);
    }
    *end = code;
    return ops;
}

static bool fold_is_fixed(int head) {
    return head == FOLD_C1 || head == FOLD_C2 || head == FOLD_ODD || head == FOLD_SOME;
}

static_assert(OP_COUNT <= 64, "a set of operations is a bit mask");

/* What an operand must be for this leaf or tree, as a set of one operation; or none. */
static uint64_t fold_need(int head) {
    if (head < FOLD_X)
        return UINT64_C(1) << head;
    return head == FOLD_NUM || fold_is_fixed(head) ? UINT64_C(1) << OP_CONST : 0;
}

static uint64_t fold_needs(const struct fold_rule *r) {
    uint64_t needs = 0;
    const int8_t *p = r->pattern;
    if (*p >= FOLD_X)
        return 0;
    unsigned n = fold_arity(*p++);
    for (unsigned k = 0; k < n; k++) {
        needs |= fold_need(*p);
        fold_tree_ops(p, &p);
    }
    return needs;
}

static void fold_index_rules(struct fold *fo) {
    unsigned i = 0;
    for (unsigned n = 0; n < fold_rule_count; n++)
        fo->needs[n] = fold_needs(&fold_rules[n]);
    for (unsigned op = 0; op <= OP_COUNT; op++) {
        fo->first[op] = (uint16_t)i;
        while (i < fold_rule_count && fold_rules[i].kind == FOLD_EQUAL &&
               fold_rules[i].pattern[0] == (int8_t)op)
            i++;
    }
    fo->truth = (uint16_t)i;
    assert((i == fold_rule_count || fold_rules[i].kind == FOLD_TRUTH) &&
           "fold.def is sorted by root, in the order of ops.def, TRUTH rules last");
}

/* Would the replacement cost more than the root it replaces, unless what is below it goes too? */
static bool fold_is_costly(const struct fold_rule *r) {
    unsigned computed = 0;
    const int8_t *end;
    unsigned ops = fold_tree_ops(r->with, &end);
    /* Operations on constants alone are computed: their operands are leaves in every rule. */
    for (const int8_t *p = r->with; p < end; p++) {
        if (*p == FOLD_NUM)
            p++;
        else if (*p < FOLD_X && (fold_is_fixed(p[1]) || p[1] == FOLD_NUM)) {
            const int8_t *second = p[1] == FOLD_NUM ? p + 3 : p + 2;
            computed += fold_is_fixed(*second) || *second == FOLD_NUM;
        }
    }
    return ops - computed > 1 ||
           (ops > computed && r->with[0] == OP_MUL && r->pattern[0] != OP_MUL);
}

/* ---- use counts ---- */

static uint32_t *fold_use(struct fold *fo, value v) {
    while (fo->nuses <= v.i) {
        fo->uses = xgrow(fo->uses, &fo->uses_cap, (uint64_t)fo->nuses + 1, sizeof *fo->uses);
        fo->uses[fo->nuses++] = 0;
    }
    return &fo->uses[v.i];
}

/* Takes back one use of v.  A pure value without uses is dead, and its operands lose a use too;
 * it is marked, and removed at the end of the pass. */
static void fold_unuse(struct fold *fo, value v) {
    struct func *f = fo->f;
    value stack[64];
    unsigned n = 0;
    stack[n++] = v;
    while (n > 0) {
        v = ir_resolve(f, stack[--n]);
        struct insn *in = ir_at(f, v);
        uint32_t *count = fold_use(fo, v);
        if (*count > 0)
            --*count;
        if (*count > 0 || in->mark || in->op == OP_PHI || in->op == OP_CONST || in->op == OP_COPY ||
            !ir_home(f, v).i || !(op_info[in->op].effects & EFF_PURE))
            continue;
        in->mark = 1;
        for (unsigned k = 0; k < IR_MAX_OPERANDS; k++) {
            value *o = ir_operand(f, v, k);
            /* A full stack only leaves counts too high, which forgoes a rewrite at worst. */
            if (o && n < 64)
                stack[n++] = *o;
        }
    }
}

/* ---- matching ---- */

static bool fold_is_bool(struct func *f, value v) {
    const struct insn *in = ir_at(f, v);
    if (in->op == OP_EQ || in->op == OP_NE || in->op == OP_ULT)
        return true;
    return in->op == OP_AND && ir_is_num(f, ir_resolve(f, in->b), 1);
}

static bool fold_match_leaf(struct fold *fo, int head, value v, struct fold_match *m) {
    struct func *f = fo->f;
    bool is_const = ir_is_const(f, v);
    if ((head == FOLD_BOOL && !fold_is_bool(f, v)) || (fold_is_fixed(head) && !is_const) ||
        (head == FOLD_ODD && (ir_const_of(f, v) & 1) == 0) ||
        (head == FOLD_SOME && ir_const_of(f, v) == 0))
        return false;
    value *var = &m->var[head - FOLD_X];
    if (var->i != 0)
        return same_value(*var, v);
    *var = v;
    return true;
}

static const int8_t *fold_match_tree(struct fold *fo, const int8_t *p, value v,
                                     struct fold_match *m);

static const int8_t *fold_match_operands(struct fold *fo, const int8_t *p, const value *o,
                                         unsigned n, struct fold_match *m) {
    for (unsigned k = 0; k < n && p; k++)
        p = fold_match_tree(fo, p, o[k], m);
    return p;
}

/* Matches the tree at p against v; returns the place behind the tree, or NULL.  Recursion goes as
 * deep as the rule, three at most. */
static const int8_t *fold_match_tree(struct fold *fo, const int8_t *p, value v,
                                     struct fold_match *m) {
    struct func *f = fo->f;
    int head = *p++;
    if (head == FOLD_NUM)
        return ir_is_num(f, v, (uint64_t)(int64_t)*p) ? p + 1 : NULL;
    if (head >= FOLD_X)
        return fold_match_leaf(fo, head, v, m) ? p : NULL;
    const struct insn *in = ir_at(f, v);
    if (in->op != head)
        return NULL;
    value o[3] = {ir_resolve(f, in->a), ir_resolve(f, in->b), NO_VALUE};
    if (head == OP_SELECT)
        o[2] = ir_resolve(f, in->c);
    struct fold_match before = *m;
    if (*fold_use(fo, v) > 1 && p - 1 != m->rule->pattern)
        m->shared = before.shared = true;
    const int8_t *end = fold_match_operands(fo, p, o, fold_arity(head), m);
    if (!end && (op_info[head].effects & EFF_COMM) && !ir_is_const(f, o[1])) {
        *m = before;
        value t = o[0];
        o[0] = o[1];
        o[1] = t;
        end = fold_match_operands(fo, p, o, 2, m);
    }
    return end;
}

static bool fold_find(struct fold *fo, value v, unsigned from, unsigned to, struct fold_match *m) {
    const struct insn *in = ir_at(fo->f, v);
    uint64_t has = 0;
    for (unsigned k = 0; k < IR_MAX_OPERANDS && from < to; k++) {
        value *o = ir_operand(fo->f, v, k);
        if (o)
            has |= UINT64_C(1) << ir_at(fo->f, ir_resolve(fo->f, *o))->op;
    }
    for (unsigned i = from; i < to; i++) {
        if ((fo->needs[i] & ~has) != 0 || fold_rules[i].pattern[0] != in->op)
            continue;
        *m = (struct fold_match){.rule = &fold_rules[i]};
        if (fold_match_tree(fo, fold_rules[i].pattern, v, m) &&
            !(m->shared && fold_is_costly(&fold_rules[i])))
            return true;
    }
    return false;
}

/* ---- rewriting ---- */

static bool fold_may(struct fold *fo, const char *what) {
    if (!pass_may(fo->env))
        return false;
    pass_count(fo->env, what, 1);
    fo->changed = true;
    return true;
}

static void fold_replace(struct fold *fo, value v, value with) {
    struct func *f = fo->f;
    *fold_use(fo, with) += *fold_use(fo, v);
    *fold_use(fo, v) = 0;
    value o[3] = {NO_VALUE, NO_VALUE, NO_VALUE};
    for (unsigned k = 0; k < IR_MAX_OPERANDS; k++) {
        value *p = ir_operand(f, v, k);
        if (p)
            o[k] = *p;
    }
    ir_replace(f, v, with);
    for (unsigned k = 0; k < IR_MAX_OPERANDS; k++)
        if (o[k].i)
            fold_unuse(fo, o[k]);
}

/* Makes v the operation op on o[], in place. */
static void fold_set(struct fold *fo, value v, enum op op, const value o[3]) {
    struct func *f = fo->f;
    struct insn old = *ir_at(f, v);
    unsigned was = fold_arity(old.op), is = fold_arity(op);
    for (unsigned k = 0; k < is; k++)
        ++*fold_use(fo, o[k]);
    struct insn *in = ir_at(f, v);
    in->op = (uint8_t)op;
    in->a = o[0];
    in->b = o[1];
    in->c = o[2];
    const value gone[3] = {old.a, old.b, old.c};
    for (unsigned k = 0; k < was; k++)
        fold_unuse(fo, gone[k]);
}

static value fold_build(struct fold *fo, const int8_t **code, value at, struct fold_match *m);

/* The operands of a tree whose operation is op; true if all are constants: then *n is the
 * result. */
static bool fold_build_operands(struct fold *fo, const int8_t **code, enum op op, value at,
                                struct fold_match *m, value o[3], uint64_t *n) {
    struct func *f = fo->f;
    bool fixed = true;
    for (unsigned k = 0; k < fold_arity(op); k++) {
        o[k] = fold_build(fo, code, at, m);
        fixed &= ir_is_const(f, o[k]);
    }
    if (fixed)
        *n = fold_eval(f->cell_bits, op, ir_const_of(f, o[0]), ir_const_of(f, o[1]),
                       op == OP_SELECT ? ir_const_of(f, o[2]) : 0);
    return fixed;
}

/* The value of the tree at *code, new instructions standing before `at`. */
static value fold_build(struct fold *fo, const int8_t **code, value at, struct fold_match *m) {
    struct func *f = fo->f;
    int head = *(*code)++;
    if (head == FOLD_NUM)
        return ir_const(f, (uint64_t)(int64_t) * (*code)++);
    if (head >= FOLD_X)
        return m->var[head - FOLD_X];
    value o[3] = {NO_VALUE, NO_VALUE, NO_VALUE};
    uint64_t n;
    if (fold_build_operands(fo, code, (enum op)head, at, m, o, &n))
        return ir_const(f, n);
    value v = ir_before(f, at, (enum op)head, o[0], o[1], 0, ir_at(f, at)->src);
    if (head == OP_SELECT)
        ir_at(f, v)->c = o[2];
    for (unsigned k = 0; k < fold_arity(head); k++)
        ++*fold_use(fo, o[k]);
    if (fo->ntodo < FOLD_STEPS)
        fo->todo[fo->ntodo++] = v;
    return v;
}

/* Replaces v by what the rule says.  True if v is still there, as another operation. */
static bool fold_apply(struct fold *fo, value v, struct fold_match *m) {
    struct func *f = fo->f;
    const int8_t *code = m->rule->with;
    int head = *code;
    if (head >= FOLD_X) {
        fold_replace(fo, v, fold_build(fo, &code, v, m));
        return false;
    }
    value o[3] = {NO_VALUE, NO_VALUE, NO_VALUE};
    uint64_t n;
    code++;
    if (fold_build_operands(fo, &code, (enum op)head, v, m, o, &n)) {
        fold_replace(fo, v, ir_const(f, n));
        return false;
    }
    fold_set(fo, v, (enum op)head, o);
    return true;
}

/* ---- one instruction ---- */

static bool fold_is_arith(const struct func *f, value v) {
    unsigned op = ir_at(f, v)->op;
    return op >= OP_ADD && op <= OP_SELECT;
}
static_assert(OP_ADD < OP_SELECT && OP_SELECT + 1 == OP_MOVE && OP_PHI + 1 == OP_ADD,
              "arithmetic stands together in ops.def");

/* Resolves the operands, the constant one of a commuting operation last. */
static void fold_normalise(struct fold *fo, value v) {
    struct func *f = fo->f;
    for (unsigned k = 0; k < IR_MAX_OPERANDS; k++) {
        value *o = ir_operand(f, v, k);
        if (o)
            *o = ir_resolve(f, *o);
    }
    struct insn *in = ir_at(f, v);
    if ((op_info[in->op].effects & EFF_COMM) && ir_is_const(f, in->a) && !ir_is_const(f, in->b) &&
        fold_may(fo, "operands_swapped")) {
        value t = in->a;
        in->a = in->b;
        in->b = t;
    }
}

static bool fold_constants(struct fold *fo, value v) {
    struct func *f = fo->f;
    const struct insn *in = ir_at(f, v);
    bool three = in->op == OP_SELECT;
    if (!ir_is_const(f, in->a) || !ir_is_const(f, in->b) || (three && !ir_is_const(f, in->c)))
        return false;
    if (!fold_may(fo, "constants"))
        return false;
    uint64_t n = fold_eval(f->cell_bits, (enum op)in->op, ir_const_of(f, in->a),
                           ir_const_of(f, in->b), three ? ir_const_of(f, in->c) : 0);
    fold_replace(fo, v, ir_const(f, n));
    return true;
}

/* The condition of a br or select, without what does not change its truth. */
static bool fold_condition(struct fold *fo, value v) {
    struct func *f = fo->f;
    value c = ir_at(f, v)->a;
    struct fold_match m;
    if (!fold_find(fo, c, fo->truth, fold_rule_count, &m) || !fold_may(fo, m.rule->name))
        return false;
    const int8_t *code = m.rule->with;
    value with = fold_build(fo, &code, v, &m);
    ++*fold_use(fo, with);
    ir_at(f, v)->a = with;
    fold_unuse(fo, c);
    return true;
}

/* One rewrite of arithmetic v; true if there was one and v is still there. */
static bool fold_arith_step(struct fold *fo, value v) {
    struct func *f = fo->f;
    fold_normalise(fo, v);
    unsigned op = ir_at(f, v)->op;
    if (fold_constants(fo, v))
        return false;
    struct fold_match m;
    if (fold_find(fo, v, fo->first[op], fo->first[op + 1], &m) && fold_may(fo, m.rule->name))
        return fold_apply(fo, v, &m);
    return op == OP_SELECT && fold_condition(fo, v);
}

/* Simplifies v and what the rewrites put before it. */
static void fold_arith(struct fold *fo, value v) {
    fo->ntodo = 0;
    fo->todo[fo->ntodo++] = v;
    for (unsigned steps = 0; fo->ntodo > 0 && steps < FOLD_STEPS; steps++) {
        value top = fo->todo[fo->ntodo - 1];
        unsigned n = fo->ntodo;
        if (ir_at(fo->f, top)->mark || !fold_is_arith(fo->f, top) || !fold_arith_step(fo, top))
            /* The top is done, but what was built for it still stands above. */
            fo->todo[n - 1] = NO_VALUE;
        while (fo->ntodo > 0 && !fo->todo[fo->ntodo - 1].i)
            fo->ntodo--;
    }
}

/* phi a, a and phi a, self are a. */
static bool fold_phi(struct fold *fo, value v) {
    struct func *f = fo->f;
    struct insn *in = ir_at(f, v);
    in->a = ir_resolve(f, in->a);
    if (in->b.i)
        in->b = ir_resolve(f, in->b);
    value only = in->a;
    if (same_value(only, v))
        only = in->b;
    if (!only.i || same_value(only, v))
        return false;
    if (in->b.i && !same_value(in->b, only) && !same_value(in->b, v))
        return false;
    if (!fold_may(fo, "phis"))
        return false;
    fold_replace(fo, v, only);
    return true;
}

/* ---- branches ---- */

static void fold_swap_successors(struct func *f, block b) {
    struct block_data *d = ir_block(f, b);
    block t = d->succ[0];
    d->succ[0] = d->succ[1];
    d->succ[1] = t;
}

/* br (x = 0), b1, b2 is br x, b2, b1. */
static bool fold_br_eq_zero(struct fold *fo, block b, value v) {
    struct func *f = fo->f;
    value c = ir_at(f, v)->a;
    struct insn *cond = ir_at(f, c);
    if (cond->op != OP_EQ || !ir_is_num(f, ir_resolve(f, cond->b), 0))
        return false;
    if (!fold_may(fo, "conditions"))
        return false;
    value x = ir_resolve(f, cond->a);
    ++*fold_use(fo, x);
    ir_at(f, v)->a = x;
    fold_unuse(fo, c);
    fold_swap_successors(f, b);
    return true;
}

/* Cutting b -> to turns the phis of `to` into copies of their other operand, which so takes over
 * their uses. */
static void fold_before_cut(struct fold *fo, block b, block to) {
    struct func *f = fo->f;
    bool first = ir_pred_slot(f, b, to) == 0;
    IR_FOR_INSNS (f, to, v) {
        const struct insn *in = ir_at(f, v);
        if (in->op != OP_PHI)
            break;
        value stays = first ? in->b : in->a;
        if (stays.i)
            *fold_use(fo, ir_resolve(f, stays)) += *fold_use(fo, v);
    }
}

static void fold_br(struct fold *fo, block b, value v) {
    struct func *f = fo->f;
    fold_normalise(fo, v);
    fo->ntodo = 0;
    for (unsigned i = 0; i < FOLD_STEPS; i++)
        if (!fold_br_eq_zero(fo, b, v) && !fold_condition(fo, v))
            break;
    value c = ir_at(f, v)->a;
    if (!ir_is_const(f, c) || !fold_may(fo, "branches"))
        return;
    unsigned gone = ir_const_of(f, c) != 0 ? 1 : 0;
    block to = ir_block(f, b)->succ[gone];
    /* A head that was visited loses its back edge: its phis have become copies. */
    if (fo->live[to.i] && fo->rpo.pos[to.i] <= fo->rpo.pos[b.i])
        fo->again = true;
    fold_before_cut(fo, b, to);
    ir_cut_edge(f, b, gone);
    fo->cut = true;
}

/* ---- sweeps ---- */

static void fold_block(struct fold *fo, block b) {
    struct func *f = fo->f;
    IR_FOR_INSNS_SAFE (f, b, v) {
        struct insn *in = ir_at(f, v);
        if (in->mark)
            continue;
        if (in->op == OP_PHI)
            fold_phi(fo, v);
        else if (in->op == OP_BR)
            fold_br(fo, b, v);
        else if (fold_is_arith(f, v))
            fold_arith(fo, v);
        else
            fold_normalise(fo, v);
    }
}

/* Tries the phis at the targets of b's back edges again, and notes which blocks b leads to. */
static void fold_edges(struct fold *fo, block b) {
    struct func *f = fo->f;
    const struct block_data *d = ir_block(f, b);
    for (unsigned n = 0; n < d->nsucc; n++) {
        block to = d->succ[n];
        bool back = fo->rpo.pos[to.i] <= fo->rpo.pos[b.i];
        if (!back)
            fo->live[to.i] = true;
        if (!back || !fo->live[to.i])
            continue;
        IR_FOR_INSNS_SAFE (f, to, v) {
            if (!ir_is(f, v, OP_PHI))
                break;
            bool cell = ir_at(f, v)->kind == KIND_CELL;
            if (fold_phi(fo, v) && cell)
                fo->again = true;
        }
    }
}

/* Removes the instructions that rewrites left without uses. */
static void fold_remove_dead(struct fold *fo) {
    struct func *f = fo->f;
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS_SAFE (f, b, v) {
            if (!ir_at(f, v)->mark)
                continue;
            ir_at(f, v)->mark = 0;
            ir_remove(f, v);
        }
    }
}

static void fold_clear_marks(struct func *f) {
    for (uint32_t i = 1; i < f->ninsn; i++)
        f->insn[i].mark = 0;
}

static void fold_sweep(struct fold *fo) {
    struct func *f = fo->f;
    fo->again = fo->cut = false;
    fo->rpo = cfg_rpo(f);
    fo->uses = ir_use_counts(f);
    fo->nuses = fo->uses_cap = f->ninsn;
    fo->live = xcalloc(f->nblock, sizeof *fo->live);
    fo->live[f->entry.i] = true;
    fold_clear_marks(f);
    for (uint32_t i = 0; i < fo->rpo.n; i++) {
        block b = fo->rpo.order[i];
        if (!fo->live[b.i])
            continue;
        fold_block(fo, b);
        fold_edges(fo, b);
    }
    fold_remove_dead(fo);
    xfree(fo->live);
    xfree(fo->uses);
    cfg_rpo_free(&fo->rpo);
    if (fo->cut)
        ir_drop_unreachable(f);
}

bool pass_fold(struct func *f, struct pass_env *env) {
    struct fold fo = {.f = f, .env = env};
    fold_index_rules(&fo);
    unsigned sweeps = 0;
    do
        fold_sweep(&fo);
    while ((fo.again || fo.cut) && ++sweeps < FOLD_SWEEPS);
    return tidy_blocks(f, env) != 0 || fo.changed;
}

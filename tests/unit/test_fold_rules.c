/* test_fold_rules.c: every algebraic rule of fold.def, on all values of 8 bits.
 *
 * The arithmetic here is a second opinion on fold_eval: it works on 256 values at once, one for
 * each value of the first variable of a rule. */
#include <criterion/criterion.h>
#include <string.h>

#include "passes/fold.h"
#include "passes/pipeline.h"
#include "runtime/alloc.h"

#define LANES 256

/* ---- 8-bit arithmetic on all lanes ---- */

static void lanes_eval(enum op op, uint8_t *r, const uint8_t *a, const uint8_t *b,
                       const uint8_t *c) {
#define EACH(expression)                                                                           \
    for (int i = 0; i < LANES; i++)                                                                \
    r[i] = (uint8_t)(expression)
    if (op == OP_ADD)
        EACH(a[i] + b[i]);
    else if (op == OP_SUB)
        EACH(a[i] - b[i]);
    else if (op == OP_MUL)
        EACH(a[i] * b[i]);
    else if (op == OP_AND)
        EACH(a[i] & b[i]);
    else if (op == OP_OR)
        EACH(a[i] | b[i]);
    else if (op == OP_XOR)
        EACH(a[i] ^ b[i]);
    else if (op == OP_SHL)
        EACH(a[i] << (b[i] % 8));
    else if (op == OP_SHR)
        EACH(a[i] >> (b[i] % 8));
    else if (op == OP_EQ)
        EACH(a[i] == b[i]);
    else if (op == OP_NE)
        EACH(a[i] != b[i]);
    else if (op == OP_ULT)
        EACH(a[i] < b[i]);
    else if (op == OP_SELECT)
        EACH(a[i] ? b[i] : c[i]);
    else
        cr_assert_fail("operation %d is no arithmetic", (int)op);
#undef EACH
}

static unsigned arity(int head) {
    return head >= FOLD_X ? 0 : head == OP_SELECT ? 3 : 2;
}

static void lanes_tree(const int8_t **code, uint8_t var[FOLD_VARS][LANES], uint8_t *r) {
    int head = *(*code)++;
    uint8_t operand[3][LANES];
    if (head == FOLD_NUM) {
        memset(r, (uint8_t)(int8_t) * (*code)++, LANES);
        return;
    }
    if (head >= FOLD_X) {
        memcpy(r, var[head - FOLD_X], LANES);
        return;
    }
    for (unsigned k = 0; k < arity(head); k++)
        lanes_tree(code, var, operand[k]);
    lanes_eval((enum op)head, r, operand[0], operand[1], operand[2]);
}

/* ---- a rule's variables ---- */

static unsigned variables_of(const struct fold_rule *r, int leaf[FOLD_VARS]) {
    unsigned n = 0;
    const int8_t *p = r->pattern;
    for (unsigned trees = 1; trees > 0; trees--) {
        int head = *p++;
        if (head == FOLD_NUM)
            p++;
        trees += arity(head);
        bool known = head < FOLD_X || head >= FOLD_NUM;
        for (unsigned i = 0; i < n; i++)
            known |= leaf[i] == head;
        if (!known)
            leaf[n++] = head;
    }
    return n;
}

static bool allowed(int leaf, unsigned x) {
    return leaf == FOLD_BOOL ? x < 2 : leaf == FOLD_ODD ? x % 2 == 1 : leaf == FOLD_SOME ? x : true;
}

static bool same(const struct fold_rule *r, uint64_t a, uint64_t b) {
    return r->kind == FOLD_TRUTH ? (a != 0) == (b != 0) : a == b;
}

static void check_lanes(const struct fold_rule *r, int first, uint8_t var[FOLD_VARS][LANES]) {
    uint8_t was[LANES], is[LANES];
    const int8_t *pattern = r->pattern, *with = r->with;
    lanes_tree(&pattern, var, was);
    lanes_tree(&with, var, is);
    for (unsigned i = 0; i < LANES; i++)
        if (first < 0 || allowed(first, i))
            cr_assert(same(r, was[i], is[i]), "rule %s: %u becomes %u", r->name, was[i], is[i]);
}

/* All values of the variables: the first in lanes, the others by counting. */
static void check_rule(const struct fold_rule *r) {
    static uint8_t var[FOLD_VARS][LANES];
    int leaf[FOLD_VARS];
    unsigned n = variables_of(r, leaf), count[FOLD_VARS] = {0};
    cr_assert(n >= 1 && n <= 3, "rule %s has %u variables", r->name, n);
    for (unsigned i = 0; i < LANES; i++)
        var[leaf[0] - FOLD_X][i] = (uint8_t)i;
    for (bool more = true; more;) {
        bool fits = true;
        for (unsigned k = 1; k < n; k++) {
            memset(var[leaf[k] - FOLD_X], (int)count[k], LANES);
            fits &= allowed(leaf[k], count[k]);
        }
        if (fits)
            check_lanes(r, leaf[0], var);
        more = false;
        for (unsigned k = 1; k < n && !more; k++) {
            count[k] = (count[k] + 1) % LANES;
            more = count[k] != 0;
        }
    }
}

Test(fold_rules, all_values_of_8_bits) {
    for (unsigned i = 0; i < fold_rule_count; i++)
        check_rule(&fold_rules[i]);
}

/* ---- other widths ---- */

static uint64_t next_random(uint64_t *state) {
    uint64_t x = (*state += UINT64_C(0x9e3779b97f4a7c15));
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ (x >> 29);
}

/* Numbers near 0 and near powers of two as often as any others. */
static uint64_t sample(uint64_t *state) {
    uint64_t r = next_random(state);
    uint64_t power = UINT64_C(1) << (r >> 58);
    uint64_t near = (r & 7) - 3;
    return (r >> 56 & 3) == 0 ? near : (r >> 56 & 3) == 1 ? power + near : next_random(state);
}

static uint64_t sample_for(int leaf, uint64_t *state, uint64_t mask) {
    uint64_t x = sample(state) & mask;
    if (leaf == FOLD_BOOL)
        return x & 1;
    return leaf == FOLD_ODD ? x | 1 : leaf == FOLD_SOME && x == 0 ? 1 : x;
}

static void check_width(const struct fold_rule *r, unsigned bits, uint64_t *state) {
    uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    for (unsigned n = 0; n < 2000; n++) {
        uint64_t var[FOLD_VARS];
        for (int leaf = FOLD_X; leaf < FOLD_NUM; leaf++)
            var[leaf - FOLD_X] = sample_for(leaf, state, mask);
        const int8_t *pattern = r->pattern, *with = r->with;
        uint64_t was = fold_eval_tree(bits, &pattern, var);
        uint64_t is = fold_eval_tree(bits, &with, var);
        cr_assert(same(r, was, is), "rule %s at %u bits: %llx becomes %llx", r->name, bits,
                  (unsigned long long)was, (unsigned long long)is);
    }
}

Test(fold_rules, samples_of_wider_cells) {
    uint64_t state = 1;
    for (unsigned i = 0; i < fold_rule_count; i++)
        for (unsigned bits = 16; bits <= 64; bits *= 2)
            check_width(&fold_rules[i], bits, &state);
}

Test(fold_rules, arithmetic_agrees_with_a_second_opinion) {
    for (int op = OP_ADD; op <= OP_SELECT; op++) {
        uint8_t a[LANES], b[LANES], c[LANES], r[LANES];
        memset(c, 77, LANES);
        for (unsigned i = 0; i < LANES; i++)
            a[i] = (uint8_t)i;
        for (unsigned k = 0; k < LANES; k++) {
            memset(b, (int)k, LANES);
            lanes_eval((enum op)op, r, a, b, c);
            for (unsigned i = 0; i < LANES; i++)
                cr_assert_eq(fold_eval(8, (enum op)op, i, k, 77), r[i], "%s %u, %u",
                             op_info[op].text, i, k);
        }
    }
}

/* ---- every rule is reached ---- */

struct built {
    struct func *f;
    block b;
    value tape, var[FOLD_VARS];
    int64_t cells; /* loaded so far */
};

static value new_cell(struct built *m) {
    return ir_append(m->f, m->b, OP_LOAD, m->tape, NO_VALUE, m->cells++, NO_SRC);
}

static value build_leaf(struct built *m, int leaf) {
    value *v = &m->var[leaf - FOLD_X];
    if (v->i != 0)
        return *v;
    if (leaf == FOLD_BOOL)
        *v = ir_append(m->f, m->b, OP_ULT, new_cell(m), new_cell(m), 0, NO_SRC);
    else if (leaf >= FOLD_C1)
        *v = ir_const(m->f, leaf == FOLD_C1 ? 11 : leaf == FOLD_C2 ? 6 : leaf == FOLD_ODD ? 5 : 9);
    else
        *v = new_cell(m);
    return *v;
}

static value build_tree(struct built *m, const int8_t **code) {
    int head = *(*code)++;
    if (head == FOLD_NUM)
        return ir_const(m->f, (uint64_t)(int64_t) * (*code)++);
    if (head >= FOLD_X)
        return build_leaf(m, head);
    value a = build_tree(m, code), b = build_tree(m, code);
    value c = head == OP_SELECT ? build_tree(m, code) : NO_VALUE;
    value v = ir_append(m->f, m->b, (enum op)head, a, b, 0, NO_SRC);
    if (head == OP_SELECT)
        ir_at(m->f, v)->c = c;
    return v;
}

/* A function that stores the pattern, or for TRUTH rules branches on it. */
static struct func *function_of(const struct fold_rule *r) {
    struct built m = {.f = ir_new(8)};
    m.b = ir_block_new(m.f, NO_BLOCK);
    m.tape = ir_append(m.f, m.b, OP_TAPE, NO_VALUE, NO_VALUE, 0, NO_SRC);
    const int8_t *code = r->pattern;
    value v = build_tree(&m, &code);
    if (r->kind == FOLD_EQUAL) {
        ir_append(m.f, m.b, OP_STORE, m.tape, v, 100, NO_SRC);
        ir_ret(m.f, m.b, m.tape, NO_SRC);
        return m.f;
    }
    block yes = ir_block_new(m.f, NO_BLOCK), no = ir_block_new(m.f, NO_BLOCK);
    ir_br(m.f, m.b, v, yes, no, NO_SRC);
    ir_append(m.f, yes, OP_OUT, ir_const(m.f, 65), NO_VALUE, 0, NO_SRC);
    ir_ret(m.f, yes, m.tape, NO_SRC);
    ir_ret(m.f, no, m.tape, NO_SRC);
    return m.f;
}

/* A pattern another rule or the folding of constants always takes first would be dead weight. */
Test(fold_rules, every_rule_fires) {
    for (unsigned i = 0; i < fold_rule_count; i++) {
        const struct fold_rule *r = &fold_rules[i];
        struct func *f = function_of(r);
        struct pass_stats *stats = pass_stats_new(false);
        struct pipeline_options o = {.passes = "fold", .verify_each = true, .stats = stats};
        struct text error = {0}, counter = {0};
        cr_assert(pipeline_run(f, &o, &error), "rule %s: %s", r->name, error.p);
        text_fmt(&counter, "fold.%s", r->name);
        cr_assert(pass_stats_get(stats, counter.p) > 0, "rule %s does not fire", r->name);
        text_free(&counter);
        text_free(&error);
        pass_stats_free(stats);
        ir_free(f);
    }
}

/* fold.def is sorted; fold looks rules up by their root. */
Test(fold_rules, table_is_sorted_by_root) {
    for (unsigned i = 1; i < fold_rule_count; i++) {
        const struct fold_rule *a = &fold_rules[i - 1], *b = &fold_rules[i];
        cr_assert(a->kind < b->kind || (a->kind == b->kind &&
                                        (a->kind == FOLD_TRUTH || a->pattern[0] <= b->pattern[0])),
                  "rule %s stands before %s", a->name, b->name);
    }
}

/* test_expr.c: expressions mean what they were made of, and have the form that expr.h promises. */
#include <criterion/criterion.h>

#include "passes/expr.h"
#include "tests/unit/expr_value.h"

#define CELLS 4
#define MADE  40 /* expressions of one graph */
#define LOOKS 6  /* contents of the cells it is tried with */

static uint64_t state;

static uint64_t next(void) {
    uint64_t x = state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

static unsigned below(unsigned n) {
    return (unsigned)(next() % n);
}

/* Numbers that rules look for come often. */
static uint64_t number(unsigned bits) {
    static const uint64_t usual[] = {0, 1, 2, 3, UINT64_MAX, UINT64_MAX - 1, 128, 7};
    uint64_t n = below(3) ? usual[below(8)] : next();
    return bits == 64 ? n : n & ((UINT64_C(1) << bits) - 1);
}

/* Constants stand outermost, and last; what a constant does alone is done. */
static void check_form(const struct exprs *x, node n) {
    const struct expr *e = expr_at(x, n);
    cr_assert(e->a.i < n.i && e->b.i < n.i && e->c.i < n.i, "operands come before");
    if (e->op == OP_CONST || e->op == OP_LOAD)
        return;
    bool a = expr_is_const(x, e->a), b = !e->b.i || expr_is_const(x, e->b);
    bool c = !e->c.i || expr_is_const(x, e->c);
    cr_assert(!(a && b && c), "all operands are constants");
    if (e->op == OP_ADD || e->op == OP_MUL || e->op == OP_EQ || e->op == OP_NE)
        cr_assert(!a, "a constant is first");
    if (e->op == OP_SELECT)
        cr_assert(!a && !same_node(e->b, e->c), "a select that is decided");
    if (e->op == OP_ADD || e->op == OP_SUB)
        for (unsigned k = 0; k < 2; k++) {
            const struct expr *o = expr_at(x, k ? e->b : e->a);
            cr_assert(o->op != OP_ADD || !expr_is_const(x, o->b), "a constant is further in");
        }
    if (e->op == OP_ADD || e->op == OP_MUL)
        cr_assert(!expr_is_num(x, e->b, 0) && !(e->op == OP_MUL && expr_is_num(x, e->b, 1)),
                  "nothing is done");
    if (e->op == OP_MUL && expr_is_const(x, e->b)) {
        const struct expr *o = expr_at(x, e->a);
        cr_assert(!((o->op == OP_MUL || o->op == OP_ADD) && expr_is_const(x, o->b)),
                  "constants that could be one");
    }
    cr_assert(!(e->op == OP_SUB && b), "a constant is subtracted");
}

static void check_graph(unsigned bits) {
    static const enum op ops[] = {OP_ADD, OP_ADD, OP_SUB, OP_SUB, OP_MUL, OP_MUL, OP_AND,   OP_OR,
                                  OP_XOR, OP_SHL, OP_SHR, OP_EQ,  OP_NE,  OP_ULT, OP_SELECT};
    struct exprs x;
    node made[MADE];
    uint64_t is[MADE][LOOKS], cell[LOOKS][CELLS];
    exprs_init(&x, bits);
    for (unsigned l = 0; l < LOOKS; l++)
        for (unsigned i = 0; i < CELLS; i++)
            cell[l][i] = number(bits);
    for (unsigned n = 0; n < MADE; n++) {
        uint64_t k = number(bits);
        enum op op = ops[below(sizeof ops / sizeof *ops)];
        unsigned a = n ? below(n) : 0, b = n ? below(n) : 0, c = n ? below(n) : 0, kind = below(8);
        if (n < CELLS)
            made[n] = expr_leaf(&x, OP_LOAD, (node){0}, n);
        else if (kind == 0)
            made[n] = expr_const(&x, k);
        else
            made[n] = expr_make(&x, op, made[a], made[b], op == OP_SELECT ? made[c] : (node){0});
        check_form(&x, made[n]);
        for (unsigned l = 0; l < LOOKS; l++) {
            is[n][l] = n < CELLS   ? cell[l][n]
                       : kind == 0 ? k
                                   : op_value(bits, op, is[a][l], is[b][l], is[c][l]);
            uint64_t got = expr_value(&x, made[n], cell[l]);
            cr_assert(got == is[n][l], "%u bits, %s of %llu, %llu, %llu: %llu", bits,
                      op_info[op].text, (unsigned long long)is[a][l], (unsigned long long)is[b][l],
                      (unsigned long long)is[c][l], (unsigned long long)got);
        }
        uint64_t plus;
        node base = expr_split(&x, made[n], &plus);
        uint64_t rest = base.i ? expr_value(&x, base, cell[0]) : 0;
        cr_assert_eq(op_value(bits, OP_ADD, rest, plus, 0), is[n][0]);
    }
    exprs_free(&x);
}

Test(expr, values_and_forms) {
    for (unsigned i = 0; i < 6000; i++) {
        state = i;
        check_graph(8u << i % 4);
    }
}

/* Equal expressions have equal numbers, however they were made. */
Test(expr, equal_ones_are_one) {
    struct exprs x;
    exprs_init(&x, 8);
    node none = {0}, a = expr_leaf(&x, OP_LOAD, none, 0), b = expr_leaf(&x, OP_LOAD, none, 1);
    node three = expr_const(&x, 3), five = expr_const(&x, 5);
#define IS(p, q)       cr_expect(same_node(p, q), "%s is not %s", #p, #q)
#define MAKE(op, p, q) expr_make(&x, op, p, q, none)
    IS(expr_const(&x, 259), three);
    IS(expr_leaf(&x, OP_LOAD, none, 1), b);
    IS(MAKE(OP_ADD, a, b), MAKE(OP_ADD, b, a));
    IS(MAKE(OP_MUL, a, b), MAKE(OP_MUL, b, a));
    IS(MAKE(OP_MUL, three, b), MAKE(OP_MUL, b, three));
    IS(MAKE(OP_ADD, MAKE(OP_ADD, a, three), MAKE(OP_ADD, b, five)),
       MAKE(OP_ADD, expr_const(&x, 8), MAKE(OP_ADD, b, a)));
    IS(MAKE(OP_SUB, MAKE(OP_ADD, a, three), five), MAKE(OP_ADD, expr_const(&x, 254), a));
    IS(MAKE(OP_SUB, a, a), expr_const(&x, 0));
    IS(MAKE(OP_SUB, MAKE(OP_ADD, a, three), a), three);
    IS(MAKE(OP_SHL, a, three), MAKE(OP_MUL, a, expr_const(&x, 8)));
    IS(MAKE(OP_MUL, MAKE(OP_ADD, a, three), five),
       MAKE(OP_ADD, MAKE(OP_MUL, five, a), expr_const(&x, 15)));
    IS(MAKE(OP_MUL, MAKE(OP_MUL, a, expr_const(&x, 16)), expr_const(&x, 16)), expr_const(&x, 0));
    IS(MAKE(OP_MUL, MAKE(OP_MUL, a, three), expr_const(&x, 171)), a);
    IS(MAKE(OP_EQ, MAKE(OP_ADD, a, three), five), MAKE(OP_EQ, expr_const(&x, 2), a));
    IS(MAKE(OP_EQ, MAKE(OP_ADD, a, three), MAKE(OP_ADD, b, three)), MAKE(OP_EQ, b, a));
    IS(MAKE(OP_NE, MAKE(OP_ADD, a, three), MAKE(OP_ADD, a, five)), expr_const(&x, 1));
    IS(MAKE(OP_EQ, MAKE(OP_ADD, a, three), MAKE(OP_ADD, a, five)), expr_const(&x, 0));
    IS(expr_make(&x, OP_SELECT, three, a, b), a);
    IS(expr_make(&x, OP_SELECT, expr_const(&x, 0), a, b), b);
    IS(expr_make(&x, OP_SELECT, a, b, b), b);
    uint8_t table[2][256] = {{1}, {2}};
    IS(expr_lookup(&x, a, table[0]), expr_lookup(&x, a, table[0]));
    cr_expect(!same_node(expr_lookup(&x, a, table[0]), expr_lookup(&x, a, table[1])));
    cr_expect_eq(x.ntable, 2);
    exprs_reset(&x);
    IS(expr_leaf(&x, OP_LOAD, none, 7), (node){1});
    exprs_free(&x);
}

/* expr.c: hash-consed expressions; see expr.h.
 *
 * The simplifications are those that following a path needs to see what is known on it; `fold`
 * takes care of the rest once the expressions are instructions again. */
#include "passes/expr.h"

#include <string.h>

#include "passes/fold.h"
#include "runtime/alloc.h"

#define EXPR_BUCKETS 8192

void exprs_init(struct exprs *x, unsigned bits) {
    *x = (struct exprs){.bits = bits, .n = 1, .size = EXPR_BUCKETS};
    x->bucket = xcalloc(x->size, sizeof *x->bucket);
}

void exprs_free(struct exprs *x) {
    xfree(x->at);
    xfree(x->bucket);
    xfree(x->link);
    xfree(x->table);
}

static uint32_t expr_hash(const struct exprs *x, const struct expr *e) {
    uint64_t h = e->op;
    h = (h ^ e->a.i) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ e->b.i) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ e->c.i ^ (uint64_t)e->imm << 20) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(h >> 40) & (x->size - 1);
}

/* Few of the buckets are in use, most of the time. */
void exprs_reset(struct exprs *x) {
    for (uint32_t i = 1; i < x->n; i++)
        x->bucket[expr_hash(x, &x->at[i])] = 0;
    x->n = 1;
    x->ntable = 0;
}

static bool expr_same(const struct expr *a, const struct expr *b) {
    return a->op == b->op && same_node(a->a, b->a) && same_node(a->b, b->b) &&
           same_node(a->c, b->c) && a->imm == b->imm;
}

static node expr_intern(struct exprs *x, struct expr e) {
    uint32_t h = expr_hash(x, &e);
    for (uint32_t i = x->bucket[h]; i != 0; i = x->link[i])
        if (expr_same(&x->at[i], &e))
            return (node){i};
    x->at = xgrow(x->at, &x->cap, (uint64_t)x->n + 1, sizeof *x->at);
    x->link = xgrow(x->link, &x->nlink, (uint64_t)x->n + 1, sizeof *x->link);
    x->at[x->n] = e;
    x->link[x->n] = x->bucket[h];
    x->bucket[h] = x->n;
    return (node){x->n++};
}

static uint64_t expr_wrap(const struct exprs *x, uint64_t n) {
    return x->bits == 64 ? n : n & ((UINT64_C(1) << x->bits) - 1);
}

node expr_const(struct exprs *x, uint64_t n) {
    return expr_intern(x, (struct expr){.op = OP_CONST, .imm = (int64_t)expr_wrap(x, n)});
}

node expr_leaf(struct exprs *x, enum op op, node a, int64_t imm) {
    return expr_intern(x, (struct expr){.op = (uint8_t)op, .a = a, .imm = imm});
}

node expr_lookup(struct exprs *x, node a, const uint8_t table[256]) {
    uint32_t t = 0;
    while (t < x->ntable && memcmp(x->table[t], table, 256) != 0)
        t++;
    if (t == x->ntable) {
        x->table = xgrow(x->table, &x->table_cap, (uint64_t)t + 1, sizeof *x->table);
        memcpy(x->table[x->ntable++], table, 256);
    }
    return expr_leaf(x, OP_LOOKUP, a, t);
}

node expr_split(struct exprs *x, node n, uint64_t *plus) {
    const struct expr *e = expr_at(x, n);
    *plus = 0;
    if (e->op == OP_CONST) {
        *plus = (uint64_t)e->imm;
        return (node){0};
    }
    if (e->op != OP_ADD || !expr_is_const(x, e->b))
        return n;
    *plus = expr_const_of(x, e->b);
    return e->a;
}

static node expr_raw(struct exprs *x, enum op op, node a, node b, node c) {
    return expr_intern(x, (struct expr){.op = (uint8_t)op, .a = a, .b = b, .c = c});
}

static node expr_add(struct exprs *x, node a, node b) {
    uint64_t ka, kb;
    node base_a = expr_split(x, a, &ka), base_b = expr_split(x, b, &kb);
    uint64_t k = expr_wrap(x, ka + kb);
    if (!base_a.i && !base_b.i)
        return expr_const(x, k);
    node sum = !base_a.i ? base_b : base_a;
    if (base_a.i && base_b.i)
        sum = base_a.i < base_b.i ? expr_raw(x, OP_ADD, base_a, base_b, (node){0})
                                  : expr_raw(x, OP_ADD, base_b, base_a, (node){0});
    return k ? expr_raw(x, OP_ADD, sum, expr_const(x, k), (node){0}) : sum;
}

static node expr_mul(struct exprs *x, node a, node b) {
    if (expr_is_const(x, a)) {
        node t = a;
        a = b;
        b = t;
    }
    if (!expr_is_const(x, b))
        return expr_raw(x, OP_MUL, a.i < b.i ? a : b, a.i < b.i ? b : a, (node){0});
    uint64_t k = expr_const_of(x, b), plus;
    node base = expr_split(x, a, &plus);
    if (k == 0 || !base.i)
        return expr_const(x, k * plus);
    if (k == 1)
        return a;
    const struct expr *e = expr_at(x, base);
    if (e->op == OP_MUL && expr_is_const(x, e->b)) {
        k = expr_wrap(x, k * expr_const_of(x, e->b));
        base = e->a;
    }
    node product = k == 1   ? base
                   : k == 0 ? expr_const(x, 0)
                            : expr_raw(x, OP_MUL, base, expr_const(x, k), (node){0});
    return expr_add(x, product, expr_const(x, expr_const_of(x, b) * plus));
}

static node expr_sub(struct exprs *x, node a, node b) {
    uint64_t ka, kb;
    node base_a = expr_split(x, a, &ka), base_b = expr_split(x, b, &kb);
    node k = expr_const(x, ka - kb);
    if (!base_b.i)
        return base_a.i ? expr_add(x, base_a, k) : k;
    if (same_node(base_a, base_b))
        return k;
    node difference = expr_raw(x, OP_SUB, base_a.i ? base_a : expr_const(x, 0), base_b, (node){0});
    return expr_add(x, difference, k);
}

/* eq and ne: constants go to one side. */
static node expr_compare(struct exprs *x, enum op op, node a, node b) {
    uint64_t ka, kb;
    node base_a = expr_split(x, a, &ka), base_b = expr_split(x, b, &kb);
    if (same_node(base_a, base_b))
        return expr_const(x, (expr_wrap(x, ka) == expr_wrap(x, kb)) == (op == OP_EQ));
    if (!base_a.i || (base_b.i && base_b.i > base_a.i)) {
        node t = base_a;
        uint64_t k = ka;
        base_a = base_b;
        base_b = t;
        ka = kb;
        kb = k;
    }
    node with = expr_const(x, kb - ka);
    return expr_raw(x, op, base_a, base_b.i ? expr_add(x, base_b, with) : with, (node){0});
}

static node expr_select(struct exprs *x, node c, node a, node b) {
    if (expr_is_const(x, c))
        return expr_const_of(x, c) ? a : b;
    if (same_node(a, b))
        return a;
    return expr_raw(x, OP_SELECT, c, a, b);
}

static bool expr_all_const(const struct exprs *x, node a, node b, node c) {
    return expr_is_const(x, a) && (!b.i || expr_is_const(x, b)) && (!c.i || expr_is_const(x, c));
}

node expr_make(struct exprs *x, enum op op, node a, node b, node c) {
    if (expr_all_const(x, a, b, c))
        return expr_const(x,
                          fold_eval(x->bits, op, expr_const_of(x, a), b.i ? expr_const_of(x, b) : 0,
                                    c.i ? expr_const_of(x, c) : 0));
    switch ((int)op) {
    case OP_ADD:
        return expr_add(x, a, b);
    case OP_SUB:
        return expr_sub(x, a, b);
    case OP_MUL:
        return expr_mul(x, a, b);
    case OP_SHL:
        if (expr_is_const(x, b))
            return expr_mul(x, a,
                            expr_const(x, UINT64_C(1) << (expr_const_of(x, b) & (x->bits - 1))));
        break;
    case OP_EQ:
    case OP_NE:
        return expr_compare(x, op, a, b);
    case OP_SELECT:
        return expr_select(x, a, b, c);
    default:
        break;
    }
    return expr_raw(x, op, a, b, c);
}

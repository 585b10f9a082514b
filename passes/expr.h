/* expr.h: what a piece of code computes, as a graph of expressions over the cells and values it
 * starts from.  Equal expressions have equal numbers (hash-consing), operands have smaller numbers
 * than what uses them, and constants stand outermost: x + 3, not 3 + x or (x + 1) + 2.  expr.c.
 */
#ifndef BFOPT_PASSES_EXPR_H
#define BFOPT_PASSES_EXPR_H

#include "ir/ir.h"

typedef struct {
    uint32_t i; /* 0: none */
} node;

struct expr {
    uint8_t op; /* CONST: imm.  LOAD: what cell imm (an offset) held at first.  COPY: the value
                   number imm, from outside.  LOOKUP: byte a of table imm.  Else as in the IR. */
    node a, b, c;
    int64_t imm;
};

struct exprs {
    unsigned bits;
    struct expr *at; /* at[1..n-1] */
    uint32_t n, cap;
    uint32_t *bucket, *link; /* hash table of chains; size a power of two */
    uint32_t size, nlink;
    uint8_t (*table)[256];
    uint32_t ntable, table_cap;
};

void exprs_init(struct exprs *x, unsigned bits);
void exprs_free(struct exprs *x);
/* Forgets all expressions. */
void exprs_reset(struct exprs *x);

node expr_const(struct exprs *x, uint64_t n);
/* LOAD and COPY. */
node expr_leaf(struct exprs *x, enum op op, node a, int64_t imm);
/* Byte a of a table. */
node expr_lookup(struct exprs *x, node a, const uint8_t table[256]);
/* An operation; simplified. */
node expr_make(struct exprs *x, enum op op, node a, node b, node c);

static inline const struct expr *expr_at(const struct exprs *x, node n) {
    assert(n.i != 0 && n.i < x->n);
    return &x->at[n.i];
}
static inline bool same_node(node a, node b) {
    return a.i == b.i;
}
static inline bool expr_is_const(const struct exprs *x, node n) {
    return expr_at(x, n)->op == OP_CONST;
}
static inline uint64_t expr_const_of(const struct exprs *x, node n) {
    return (uint64_t)expr_at(x, n)->imm;
}
static inline bool expr_is_num(const struct exprs *x, node n, uint64_t k) {
    return expr_is_const(x, n) && expr_const_of(x, n) == k;
}
/* n as base + constant; the base of a constant is no node. */
node expr_split(struct exprs *x, node n, uint64_t *plus);

#endif

/* expr_value.c: see expr_value.h. */
#include "tests/unit/expr_value.h"

#include "runtime/alloc.h"

static uint64_t low(unsigned bits, uint64_t n) {
    return bits == 64 ? n : n & ((UINT64_C(1) << bits) - 1);
}

uint64_t op_value(unsigned bits, enum op op, uint64_t a, uint64_t b, uint64_t c) {
    const uint64_t is[OP_COUNT] = {[OP_ADD] = a + b,
                                   [OP_SUB] = a - b,
                                   [OP_MUL] = a * b,
                                   [OP_AND] = a & b,
                                   [OP_OR] = a | b,
                                   [OP_XOR] = a ^ b,
                                   [OP_SHL] = a << (b % bits),
                                   [OP_SHR] = a >> (b % bits),
                                   [OP_EQ] = a == b,
                                   [OP_NE] = a != b,
                                   [OP_ULT] = a < b,
                                   [OP_SELECT] = a != 0 ? b : c};
    return low(bits, is[op]);
}

uint64_t expr_value(const struct exprs *x, node n, const uint64_t *cell) {
    uint64_t *is = xcalloc((size_t)n.i + 1, sizeof *is);
    for (uint32_t i = 1; i <= n.i; i++) {
        const struct expr *e = expr_at(x, (node){i});
        if (e->op == OP_CONST)
            is[i] = (uint64_t)e->imm;
        else if (e->op == OP_LOAD)
            is[i] = cell[e->imm];
        else if (e->op == OP_LOOKUP)
            is[i] = x->table[e->imm][is[e->a.i]];
        else
            is[i] = op_value(x->bits, (enum op)e->op, is[e->a.i], is[e->b.i], is[e->c.i]);
    }
    uint64_t result = is[n.i];
    xfree(is);
    return result;
}

unsigned expr_count(const struct exprs *x, node n, enum op op) {
    bool *needed = xcalloc((size_t)n.i + 1, sizeof *needed);
    unsigned count = 0;
    needed[n.i] = true;
    for (uint32_t i = n.i; i > 0; i--) {
        const struct expr *e = expr_at(x, (node){i});
        if (!needed[i])
            continue;
        needed[e->a.i] = needed[e->b.i] = needed[e->c.i] = true;
        count += e->op == op;
    }
    xfree(needed);
    return count;
}

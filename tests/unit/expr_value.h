/* expr_value.h: what an expression of passes/expr.h comes to, computed plainly. */
#ifndef BFOPT_TESTS_UNIT_EXPR_VALUE_H
#define BFOPT_TESTS_UNIT_EXPR_VALUE_H

#include "passes/expr.h"

/* One operation on cells of so many bits (the least significant count). */
uint64_t op_value(unsigned bits, enum op op, uint64_t a, uint64_t b, uint64_t c);
/* The value of n when the cell at offset i held cell[i]. */
uint64_t expr_value(const struct exprs *x, node n, const uint64_t *cell);
/* How many operations of that kind n is made of. */
unsigned expr_count(const struct exprs *x, node n, enum op op);

#endif

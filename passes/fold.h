/* fold.h: the algebraic rules as data, and the arithmetic behind them.
 * fold.c applies the rules of fold.def; tests/unit/test_fold_rules.c checks each of them. */
#ifndef BFOPT_PASSES_FOLD_H
#define BFOPT_PASSES_FOLD_H

#include "ir/ir.h"

/* A pattern is a tree in prefix order: an operation is its enum op, a leaf one of these. */
enum fold_leaf {
    FOLD_X = OP_COUNT, /* any value */
    FOLD_Y,
    FOLD_Z,
    FOLD_BOOL, /* any value known to be 0 or 1 */
    FOLD_C1,   /* any constant */
    FOLD_C2,
    FOLD_ODD,  /* any odd constant */
    FOLD_SOME, /* any constant but 0 */
    FOLD_NUM,  /* the constant that follows */
    FOLD_LEAF_END,
};
static_assert(FOLD_LEAF_END < 128, "a code is an int8_t");
#define FOLD_VARS (FOLD_NUM - FOLD_X)

enum fold_kind {
    FOLD_EQUAL, /* the replacement has the same value */
    FOLD_TRUTH, /* the replacement is 0 exactly when the pattern is: for br and select only */
};

struct fold_rule {
    const char *name;
    uint8_t kind; /* enum fold_kind */
    const int8_t *pattern, *with;
};
extern const struct fold_rule fold_rules[];
extern const unsigned fold_rule_count;

/* The result of an operation on cells of this width; a, b, c are already wrapped. */
uint64_t fold_eval(unsigned bits, enum op op, uint64_t a, uint64_t b, uint64_t c);
/* The value of a pattern; var[leaf - FOLD_X] are the leaves'.  Advances *code past the tree. */
uint64_t fold_eval_tree(unsigned bits, const int8_t **code, const uint64_t var[FOLD_VARS]);

#endif

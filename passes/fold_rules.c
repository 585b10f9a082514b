/* fold_rules.c: the table of fold.def, and what its operations compute. */
#include "passes/fold.h"

#include "runtime/bug.h"

#define ADD(a, b)       OP_ADD, a, b
#define SUB(a, b)       OP_SUB, a, b
#define MUL(a, b)       OP_MUL, a, b
#define AND(a, b)       OP_AND, a, b
#define OR(a, b)        OP_OR, a, b
#define XOR(a, b)       OP_XOR, a, b
#define SHL(a, b)       OP_SHL, a, b
#define SHR(a, b)       OP_SHR, a, b
#define EQ(a, b)        OP_EQ, a, b
#define NE(a, b)        OP_NE, a, b
#define ULT(a, b)       OP_ULT, a, b
#define SELECT(a, b, c) OP_SELECT, a, b, c
#define X               FOLD_X
#define Y               FOLD_Y
#define Z               FOLD_Z
#define BOOL            FOLD_BOOL
#define C1              FOLD_C1
#define C2              FOLD_C2
#define ODD             FOLD_ODD
#define SOME            FOLD_SOME
#define NUM(n)          FOLD_NUM, n

const struct fold_rule fold_rules[] = {
#define RULE(name, pattern, with)                                                                  \
    {#name, FOLD_EQUAL, (const int8_t[]){pattern}, (const int8_t[]){with}},
#define TRUTH(name, pattern, with)                                                                 \
    {#name, FOLD_TRUTH, (const int8_t[]){pattern}, (const int8_t[]){with}},
#include "passes/fold.def"
};
const unsigned fold_rule_count = sizeof fold_rules / sizeof *fold_rules;

static uint64_t fold_wrap(unsigned bits, uint64_t n) {
    return bits == 64 ? n : n & ((UINT64_C(1) << bits) - 1);
}

uint64_t fold_eval(unsigned bits, enum op op, uint64_t a, uint64_t b, uint64_t c) {
    switch (op) {
    case OP_ADD:
        return fold_wrap(bits, a + b);
    case OP_SUB:
        return fold_wrap(bits, a - b);
    case OP_MUL:
        return fold_wrap(bits, a * b);
    case OP_AND:
        return a & b;
    case OP_OR:
        return a | b;
    case OP_XOR:
        return a ^ b;
    case OP_SHL:
        return fold_wrap(bits, a << (b & (bits - 1)));
    case OP_SHR:
        return a >> (b & (bits - 1));
    case OP_EQ:
        return a == b;
    case OP_NE:
        return a != b;
    case OP_ULT:
        return a < b;
    case OP_SELECT:
        return a != 0 ? b : c;
    case OP_NOP:
    case OP_COPY:
    case OP_CONST:
    case OP_TAPE:
    case OP_PHI:
    case OP_MOVE:
    case OP_SAME:
    case OP_LOAD:
    case OP_STORE:
    case OP_TOUCH:
    case OP_SCAN:
    case OP_IN:
    case OP_OUT:
    case OP_LOOKUP:
    case OP_OUTS:
    case OP_HASH:
    case OP_CALL:
    case OP_JMP:
    case OP_BR:
    case OP_RET:
    case OP_TRAP:
    case OP_COUNT:
        break;
    }
    bug("fold_eval: operation %d is no arithmetic", (int)op);
}

/* The depth of the recursion is that of a rule, three at most. */
uint64_t fold_eval_tree(unsigned bits, const int8_t **code, const uint64_t var[FOLD_VARS]) {
    int head = *(*code)++;
    if (head == FOLD_NUM)
        return fold_wrap(bits, (uint64_t)(int64_t) * (*code)++);
    if (head >= FOLD_X)
        return var[head - FOLD_X];
    uint64_t a = fold_eval_tree(bits, code, var), b = fold_eval_tree(bits, code, var);
    uint64_t c = head == OP_SELECT ? fold_eval_tree(bits, code, var) : 0;
    return fold_eval(bits, (enum op)head, a, b, c);
}

/* isel_test.c: comparisons and what is chosen by them.
 *
 *   %2 = load %1 + 1
 *   %3 = ult %2, 7             =>   cmp  byte [%1 + 1], 7
 *   %4 = select %3, %5, %6          cmovb v, %5
 *
 * The computation of a condition nobody else uses goes into the instruction that makes the flags.
 */
#include "backend/x64/isel_parts.h"

static void emit_cmp_imm(struct isel *x, value a, int64_t imm, value user, enum x64_rule rule) {
    if (!is_const(x, a) && folds_load(x, a, user)) {
        struct addr m = isel_access(x, a);
        isel_mem(x, X64_CMP_MI, x->cell, X64_RULE_cmp_mem_imm, NO_REG, m, NO_REG, imm);
        return;
    }
    mreg r1 = reg(x, a);
    if (imm == 0)
        isel_emit(x, X64_TEST_RR, x->cell, rule, NO_REG, r1, r1);
    else
        isel_imm(x, X64_CMP_RI, x->cell, rule, NO_REG, r1, imm);
}

/* cmp a, b, made right before `user`. */
static void emit_cmp(struct isel *x, value a, value b, value user) {
    if (is_imm(x, b)) {
        emit_cmp_imm(x, a, number(x, b), user, X64_RULE_cmp_imm);
    } else if (!is_const(x, b) && folds_load(x, b, user)) {
        struct minsn in = insn(X64_CMP_RM, x->cell, X64_RULE_cmp_mem);
        in.r[1] = reg(x, a);
        isel_set_mem(&in, 2, isel_access(x, b));
        select_emit(x->s, in);
    } else if (!is_const(x, a) && folds_load(x, a, user)) {
        mreg r2 = reg(x, b);
        struct addr m = isel_access(x, a);
        isel_mem(x, X64_CMP_MR, x->cell, X64_RULE_cmp_mem, NO_REG, m, r2, 0);
    } else {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        isel_emit(x, X64_CMP_RR, x->cell, X64_RULE_cmp_reg, NO_REG, r1, r2);
    }
}

/* Compares two pointers. */
static void emit_same(struct isel *x, value c) {
    const struct insn *i = at(x, c);
    mreg r1 = i->imm ? isel_address_of(x, c, X64_RULE_same) : reg(x, i->a), r2 = reg(x, i->b);
    isel_emit(x, X64_CMP_RR, 8, X64_RULE_same, NO_REG, r1, r2);
}

/* The comparison c (EQ, NE, ULT, SAME); returns the condition under which it holds. */
static unsigned emit_comparison(struct isel *x, value c, value user) {
    const struct insn *i = at(x, c);
    if (i->op == OP_SAME) {
        emit_same(x, c);
        return X64_CC_Z;
    }
    value a = i->a, b = i->b;
    bool swap = is_const(x, a) && !is_const(x, b);
    emit_cmp(x, swap ? b : a, swap ? a : b, user);
    if (i->op == OP_ULT)
        return swap ? X64_CC_A : X64_CC_B;
    return i->op == OP_EQ ? X64_CC_Z : X64_CC_NZ;
}

static void emit_test_and(struct isel *x, value a, value b, value user) {
    if (is_imm(x, b) && !is_const(x, a) && folds_load(x, a, user)) {
        struct addr m = isel_access(x, a);
        isel_mem(x, X64_TEST_MI, x->cell, X64_RULE_test_and, NO_REG, m, NO_REG, number(x, b));
    } else if (is_imm(x, b)) {
        mreg r1 = reg(x, a);
        isel_imm(x, X64_TEST_RI, x->cell, X64_RULE_test_and, NO_REG, r1, number(x, b));
    } else {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        isel_emit(x, X64_TEST_RR, x->cell, X64_RULE_test_and, NO_REG, r1, r2);
    }
}

void isel_test(struct isel *x, value c) {
    mreg r = reg(x, c);
    isel_emit(x, X64_TEST_RR, x->cell, X64_RULE_test_reg, NO_REG, r, r);
}

/* Swallows the computation of c, whose only use is to be tested by `user`, into a comparison. */
static bool emit_test_of(struct isel *x, value c, value user, unsigned *cc) {
    const struct insn *i = at(x, c);
    *cc = X64_CC_NZ;
    if (i->op == OP_EQ || i->op == OP_NE || i->op == OP_ULT || i->op == OP_SAME) {
        *cc = emit_comparison(x, c, user);
    } else if (i->op == OP_LOAD) {
        struct addr m = isel_access(x, c);
        isel_mem(x, X64_CMP_MI, x->cell, X64_RULE_test_mem, NO_REG, m, NO_REG, 0);
    } else if (i->op == OP_ADD && is_imm(x, i->b) && fits_imm(-number(x, i->b))) {
        emit_cmp_imm(x, i->a, -number(x, i->b), user, X64_RULE_cmp_of_arith);
    } else if (i->op == OP_SUB || i->op == OP_XOR) {
        emit_cmp(x, i->a, i->b, user);
    } else if (i->op == OP_AND) {
        emit_test_and(x, i->a, i->b, user);
    } else {
        return false;
    }
    return true;
}

unsigned isel_condition(struct isel *x, value c, value user) {
    unsigned cc;
    if (!is_const(x, c) && can_fold(x, c, user) && emit_test_of(x, c, user, &cc))
        return cc;
    isel_test(x, c);
    return X64_CC_NZ;
}

void isel_setcc(struct isel *x, value v) {
    unsigned cc = emit_comparison(x, v, v);
    struct minsn in = insn(X64_SETCC, 1, X64_RULE_setcc);
    in.cond = (uint8_t)cc;
    in.r[0] = x->cell == 1 ? def(x, v) : select_new_reg(x->s);
    select_emit(x->s, in);
    if (x->cell > 1)
        isel_emit(x, X64_MOVZX_RR1, 4, X64_RULE_setcc, def(x, v), in.r[0], NO_REG);
}

void isel_select(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    struct minsn in = insn(X64_CMOV_RR, x->reg, X64_RULE_select);
    in.r[1] = reg(x, i->c);
    in.r[2] = reg(x, i->b);
    in.cond = (uint8_t)isel_condition(x, i->a, v);
    in.r[0] = def(x, v);
    select_emit(x->s, in);
}

void isel_lookup(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    mreg table = select_new_reg(x->s), index = select_new_reg(x->s);
    isel_imm(x, X64_TABLE, 8, X64_RULE_lookup, table, NO_REG, i->imm);
    isel_emit(x, X64_MOVZX_RR1, 4, X64_RULE_lookup, index, reg(x, i->a), NO_REG);
    struct minsn in = insn(X64_MOVZX_RX1, 4, X64_RULE_lookup);
    in.r[1] = table;
    in.r[2] = index;
    in.disp = 8; /* behind the string's length */
    in.r[0] = def(x, v);
    select_emit(x->s, in);
}

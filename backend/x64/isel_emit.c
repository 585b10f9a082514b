/* isel_emit.c: puts single instructions, and the checks of their memory operands, into the group
 * that is being selected. */
#include "backend/x64/isel_parts.h"

#include <stddef.h>

#include "runtime/rt.h"

void isel_emit(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0, mreg r1,
               mreg r2) {
    struct minsn in = insn(op, size, rule);
    in.r[0] = r0;
    in.r[1] = r1;
    in.r[2] = r2;
    select_emit(x->s, in);
}

void isel_imm(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0, mreg r1,
              int64_t imm) {
    struct minsn in = insn(op, size, rule);
    in.r[0] = r0;
    in.r[1] = r1;
    in.imm = imm;
    select_emit(x->s, in);
}

void isel_number(struct isel *x, mreg r, int64_t n, enum x64_rule rule) {
    unsigned size = n >= 0 && n <= UINT32_MAX ? 4 : x->reg;
    if (size == 4)
        n = (int32_t)(uint32_t)n;
    if (!fits_imm(n))
        size = 8;
    isel_imm(x, X64_MOV_RI, size, rule, r, NO_REG, n);
}

void isel_jcc(struct isel *x, unsigned cc, select_label to, enum x64_rule rule) {
    struct minsn in = insn(X64_JCC, 0, rule);
    in.cond = (uint8_t)cc;
    select_branch(x->s, in, to);
}

/* ---- memory operands ---- */

struct addr isel_address(struct isel *x, mreg base, int64_t bytes) {
    if (fits_imm(bytes))
        return (struct addr){.base = base, .disp = (int32_t)bytes};
    mreg far = select_new_reg(x->s), sum = select_new_reg(x->s);
    isel_imm(x, X64_MOV_RI, 8, X64_RULE_big_offset, far, NO_REG, bytes);
    isel_emit(x, X64_LEA_RR, 8, X64_RULE_big_offset, sum, base, far);
    return (struct addr){.base = sum};
}

void isel_lea(struct isel *x, mreg dst, struct addr a, enum x64_rule rule) {
    struct minsn in = insn(X64_LEA, 8, rule);
    in.r[0] = dst;
    in.r[1] = a.base;
    in.disp = a.disp;
    select_emit(x->s, in);
}

void isel_check(struct isel *x, struct addr a) {
    struct select *s = x->s;
    mreg where = a.base, rt = select_new_reg(s), t = select_new_reg(s);
    if (a.disp != 0) {
        where = select_new_reg(s);
        isel_lea(x, where, a, X64_RULE_check);
    }
    struct minsn load = insn(X64_LOAD_RT, 8, X64_RULE_check);
    load.r[0] = rt;
    load.disp = -2;
    select_emit(s, load);
    struct minsn sub = insn(X64_SUB_RM, 8, X64_RULE_check);
    sub.r[0] = t;
    sub.r[1] = where;
    sub.r[2] = rt;
    sub.disp = offsetof(struct rt, tape.base);
    select_emit(s, sub);
    struct minsn cmp = insn(X64_CMP_RM, 8, X64_RULE_check);
    cmp.r[1] = t;
    cmp.r[2] = rt;
    cmp.disp = offsetof(struct rt, tape.bytes);
    select_emit(s, cmp);
    struct minsn trap = insn(X64_TRAP, 8, X64_RULE_check);
    trap.r[1] = where;
    trap.src = a.src;
    select_label on = select_new_label(s);
    isel_jcc(x, X64_CC_AE, select_cold(s, trap), X64_RULE_check);
    select_jump(s, on);
    select_place(s, on);
}

struct addr isel_access(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    struct addr a = isel_address(x, reg(x, i->a), cells_to_bytes(x, i->imm));
    a.trap = i->trap == MAY_TRAP;
    a.src = i->src;
    select_take(x->s, v);
    if (a.trap && x->check_bounds) {
        isel_check(x, a);
        a.trap = false;
    }
    return a;
}

void isel_set_mem(struct minsn *in, unsigned n, struct addr a) {
    in->r[n] = a.base;
    in->disp = a.disp;
    in->trap = a.trap;
    if (a.trap)
        in->src = a.src;
}

void isel_mem(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0,
              struct addr a, mreg r2, int64_t imm) {
    struct minsn in = insn(op, size, rule);
    in.r[0] = r0;
    isel_set_mem(&in, 1, a);
    in.r[2] = r2;
    in.imm = imm;
    select_emit(x->s, in);
}

void isel_load(struct isel *x, mreg dst, struct addr a, enum x64_rule rule) {
    enum x64_op op = x->cell == 1 ? X64_MOVZX_RM1 : x->cell == 2 ? X64_MOVZX_RM2 : X64_MOV_RM;
    isel_mem(x, op, x->reg, rule, dst, a, NO_REG, 0);
}

mreg isel_address_of(struct isel *x, value v, enum x64_rule rule) {
    const struct insn *i = at(x, v);
    mreg r = select_new_reg(x->s);
    isel_lea(x, r, isel_address(x, reg(x, i->a), cells_to_bytes(x, i->imm)), rule);
    return r;
}

/* isel_parts.h: what the files of instruction selection share.  isel.c says how it works; each of
 * isel_emit.c, isel_arith.c, isel_test.c, isel_store.c and isel_scan.c holds the rules for its
 * operations.  Functions that make code for a value v put it into the present group (select.h). */
#ifndef BFOPT_BACKEND_X64_ISEL_PARTS_H
#define BFOPT_BACKEND_X64_ISEL_PARTS_H

#include "backend/select.h"
#include "backend/x64/isel.h"

/* The state of a selection. */
struct isel {
    struct select *s;
    unsigned cell; /* bytes of a cell */
    unsigned reg;  /* bytes at which cells are computed in registers: 4 or 8 */
    bool check_bounds;
    value pending; /* value whose zero flag the branch below reads; NO_VALUE: none */
    bool provided; /* the present group ends with the flags of `pending` */
};

static inline const struct insn *at(const struct isel *x, value v) {
    return ir_at(x->s->f, v);
}
static inline bool is(const struct isel *x, value v, enum op op) {
    return ir_is(x->s->f, v, op);
}
static inline bool is_const(const struct isel *x, value v) {
    return ir_is_const(x->s->f, v);
}
static inline bool is_num(const struct isel *x, value v, int64_t n) {
    return ir_is_num(x->s->f, v, (uint64_t)n);
}
static inline bool can_fold(const struct isel *x, value v, value user) {
    return select_can_fold(x->s, v, user);
}
static inline bool folds_load(const struct isel *x, value v, value user) {
    return is(x, v, OP_LOAD) && can_fold(x, v, user);
}
static inline mreg reg(struct isel *x, value v) {
    return select_reg(x->s, v);
}
static inline mreg def(struct isel *x, value v) {
    return select_def(x->s, v);
}

/* The number of constant v as a signed one of the cell's width. */
static inline int64_t number(const struct isel *x, value v) {
    uint64_t n = ir_const_of(x->s->f, v);
    unsigned shift = 64 - x->s->f->cell_bits;
    return (int64_t)(n << shift) >> shift;
}

static inline bool fits_imm(int64_t n) {
    return n == (int32_t)n;
}

/* Is v a constant that an instruction can carry? */
static inline bool is_imm(const struct isel *x, value v) {
    return is_const(x, v) && fits_imm(number(x, v));
}

/* Are the flags of v, now being selected, what the branch below reads? */
static inline bool wants_flags(const struct isel *x, value v) {
    return same_value(x->pending, v);
}

/* ---- isel_emit.c: instructions and their memory operands ---- */

static inline struct minsn insn(enum x64_op op, unsigned size, enum x64_rule rule) {
    struct minsn in = select_insn(op, size);
    in.rule = (uint16_t)rule;
    return in;
}

/* The operand base + disp; trap: it may leave the tape, at position src. */
struct addr {
    mreg base;
    int32_t disp;
    bool trap;
    uint32_t src;
};

static inline int64_t cells_to_bytes(const struct isel *x, int64_t k) {
    return (int64_t)((uint64_t)k * x->cell);
}

/* op of that size in bytes with register operands (NO_REG: none), an immediate, or memory; `rule`
 * is counted. */
void isel_emit(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0, mreg r1,
               mreg r2);
void isel_imm(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0, mreg r1,
              int64_t imm);
void isel_mem(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0,
              struct addr a, mreg r2, int64_t imm);
/* r = n, never by `xor`: flags may be in use. */
void isel_number(struct isel *x, mreg r, int64_t n, enum x64_rule rule);
/* A branch to `to` under condition cc (X64_CC_*). */
void isel_jcc(struct isel *x, unsigned cc, select_label to, enum x64_rule rule);
/* base + bytes as an address; far displacements go through a register. */
struct addr isel_address(struct isel *x, mreg base, int64_t bytes);
/* dst = base + disp. */
void isel_lea(struct isel *x, mreg dst, struct addr a, enum x64_rule rule);
/* Compares the address with the tape's limits: t = address - rt->tape.base must be below
 * rt->tape.bytes, else the run ends in a block out of the way. */
void isel_check(struct isel *x, struct addr a);
/* The operand of the memory access v (LOAD, STORE, TOUCH), checked if need be. */
struct addr isel_access(struct isel *x, value v);
/* Gives `in` its memory operand; the base is register operand n. */
void isel_set_mem(struct minsn *in, unsigned n, struct addr a);
/* dst = the cell at a, extended to the size of registers. */
void isel_load(struct isel *x, mreg dst, struct addr a, enum x64_rule rule);
/* The address p + k in a new register. */
mreg isel_address_of(struct isel *x, value v, enum x64_rule rule);

/* ---- isel_arith.c: two-address arithmetic ---- */

/* The forms of one operation. */
struct forms {
    enum x64_op rr, ri, rm, mr, mi;
};
extern const struct forms isel_add_forms, isel_sub_forms, isel_and_forms, isel_or_forms,
    isel_xor_forms;

/* The forms of an operation whose old value may stand on either side; NULL: it is none such. */
const struct forms *isel_commutative(enum op op);
/* v = a op b in registers, b perhaps an immediate or in memory. */
void isel_tied(struct isel *x, value v, const struct forms *op, value a, value b, bool commutes);
/* If v is -a and its user can swallow it: a; else NO_VALUE. */
value isel_negated(const struct isel *x, value v, value user);
/* v = a op b, by the form that suits the operands. */
void isel_add(struct isel *x, value v, value a, value b);
void isel_sub(struct isel *x, value v, value a, value b);
void isel_xor(struct isel *x, value v, value a, value b);
void isel_mul(struct isel *x, value v, value a, value b);
/* The count of a shift by the constant c. */
unsigned isel_shift_count(const struct isel *x, value c);
/* v = a shifted by b; shifting right looks at the whole cell, and so do flags. */
void isel_shift(struct isel *x, value v, value a, value b, bool left);

/* ---- isel_test.c: comparisons, and what is chosen by them ---- */

/* Flags that tell whether c is 0. */
void isel_test(struct isel *x, value c);
/* Makes flags from which to tell, right before `user`, whether c is not 0; returns the condition
 * under which it is not. */
unsigned isel_condition(struct isel *x, value c, value user);
/* A comparison as a number: setcc writes one byte, which for wider cells is extended. */
void isel_setcc(struct isel *x, value v);
void isel_select(struct isel *x, value v);
/* Byte a of a table that stands beside the code. */
void isel_lookup(struct isel *x, value v);

/* ---- isel_store.c ---- */

void isel_store(struct isel *x, value v);

/* ---- isel_scan.c ---- */

void isel_scan(struct isel *x, value v);

#endif

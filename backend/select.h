/* select.h: the part of instruction selection that all targets share.
 *
 * Selection walks a function backwards: blocks in reverse layout order, each block bottom-up.  So
 * the users of a value are seen before the value itself, and a value that every user has swallowed
 * (a load that became a memory operand, a comparison fused into its branch) is never asked for and
 * makes no code.  The target's `insn` is called for each instruction that must make code: it has
 * an effect, or somebody asked for its register through select_reg.
 *
 *   static void emit_add(struct select *s, value v) {
 *       struct minsn in = select_insn(VM_ADD, 4);
 *       in.r[0] = select_def(s, v);
 *       in.r[1] = select_reg(s, ir_at(s->f, v)->a);
 *       in.r[2] = select_reg(s, ir_at(s->f, v)->b);
 *       select_emit(s, in);
 *   }
 *
 * What one call emits is its "group": instructions in forward order, which may contain labels and
 * branches between them, so that one IR instruction can become a small loop.
 * Implemented in select.c.
 */
#ifndef BFOPT_BACKEND_SELECT_H
#define BFOPT_BACKEND_SELECT_H

#include "backend/mach.h"
#include "ir/cfg.h"
#include "ir/ir.h"

/* ---- block layout ---- */

/* The order of blocks in machine code: reverse post-order, but every loop contiguous, and blocks
 * that end in a trap last of all.  A block comes after its dominators. */
struct layout {
    block *order;
    uint32_t n;
    uint32_t *pos;  /* pos[b.i]: place in order; UINT32_MAX: unreachable */
    uint32_t *last; /* last[loop]: place of the loop's last block */
    struct loops loops;
};
struct layout layout_make(const struct func *f);
void layout_free(struct layout *l);

/* ---- selection ---- */

struct select;

struct select_target {
    const struct target *mach;
    /* Emits code for v, which is no PHI and no JMP.  BR must end in select_branch + select_jump. */
    void (*insn)(struct select *s, value v);
    /* Emits code that puts the constant c into register r and leaves the flags alone. */
    void (*constant)(struct select *s, value c, mreg r);
    /* Optional: emits code between the phis of the present block and what follows. */
    void (*behind_phis)(struct select *s);
};

/* A place in code: a block of the IR, or a label inside a group. */
typedef uint32_t select_label;

struct select {
    struct func *f;
    const struct select_target *t;
    void *ctx; /* the target's */
    struct mach *m;
    struct layout layout;
    uint32_t *uses; /* number of uses of each value */
    mreg *vreg;     /* register of each value; NO_REG: nobody needs it in one */
    block block;    /* being selected */
    value now;      /* instruction being selected */
    bool *taken;    /* loads whose access another instruction makes */
    value want;     /* `insn` is called for this value even if nobody asked for its register */

    /* Private to select.c. */
    struct minsn *group;
    uint32_t ngroup, group_cap;
    struct minsn *cold;
    uint32_t ncold, cold_cap;
    uint32_t nlabel;
};

/* Selects all of f (every block reachable, or this is a bug).  f is not changed. */
struct mach *select_function(struct func *f, const struct select_target *t, void *ctx);

/* ---- for the target's rules ---- */

/* A machine instruction without operands. */
static inline struct minsn select_insn(unsigned op, unsigned size) {
    return (struct minsn){.op = (uint16_t)op,
                          .size = (uint8_t)size,
                          .r = {NO_REG, NO_REG, NO_REG},
                          .src = UINT32_MAX};
}
/* Adds an instruction to the group; ir and (unless already set) src are those of the present IR
 * instruction. */
void select_emit(struct select *s, struct minsn in);
mreg select_new_reg(struct select *s);
/* The register v will be in: asks for it.  A constant is emitted into the group. */
mreg select_reg(struct select *s, value v);
/* The register in which the present instruction has to leave v. */
mreg select_def(struct select *s, value v);
/* For behind_phis: makes the phi v of the present block define a new register, and returns it; v's
 * own is for what is emitted now. */
mreg select_before(struct select *s, value v);

/* The present instruction makes the access of the load v, too. */
static inline void select_take(struct select *s, value v) {
    s->taken[v.i] = true;
}

select_label select_new_label(struct select *s);
/* Starts a block at the label.  The code before must have ended in a jump. */
void select_place(struct select *s, select_label l);
/* Emits the conditional branch `in` to l; select_jump must follow. */
void select_branch(struct select *s, struct minsn in, select_label l);
void select_jump(struct select *s, select_label l);
static inline select_label select_block(block b) {
    return b.i;
}
/* A label of a block out of the way that holds only `in`, a MD_RETURN instruction. */
select_label select_cold(struct select *s, struct minsn in);
/* Is b the next block in layout order after the present one? */
bool select_falls_to(const struct select *s, block b);

/* Were v's code made right before `at`, would it be the same?  True if v stands before `at` in the
 * same block and, should v be a load, no store between may change its cell, and no output would
 * overtake its trap.  Looks a bounded number of instructions back. */
bool select_can_sink(const struct select *s, value v, value at);
/* Has v exactly one use and can it sink to `at`, so that its only user can swallow it there? */
static inline bool select_can_fold(const struct select *s, value v, value at) {
    return s->uses[v.i] == 1 && s->vreg[v.i] == NO_REG && !ir_is_const(s->f, v) &&
           select_can_sink(s, v, at);
}
/* Do the memory operations a and b (LOAD, STORE) certainly access the same cell? */
bool select_same_cell(const struct func *f, value a, value b);

#endif

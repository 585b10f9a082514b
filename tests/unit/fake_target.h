/* fake_target.h: a made-up target for tests of the register allocator and its checker: 8 registers,
 * one instruction of every kind the allocator knows. */
#ifndef BFOPT_TESTS_UNIT_FAKE_TARGET_H
#define BFOPT_TESTS_UNIT_FAKE_TARGET_H

#include "backend/mach.h"

enum {
    T_PHI,
    T_MOVE,
    T_SWAP,
    T_RELOAD,
    T_SPILL,
    T_JUMP,
    T_BRANCH,
    T_RET,
    T_CONST, /* rematerializable */
    T_ADD,   /* tied, commutes */
    T_SUB,   /* tied */
    T_MIX,   /* three operands */
    T_LATE,  /* second source read late */
    T_DIV,   /* fixed operands: r0 in 0, r1 in 0, and a clobber */
    T_SHIFT, /* tied, count fixed in register 1 */
    T_CALL,  /* fixed argument, clobbers */
    T_TEMP,  /* wants a scratch register */
    T_OUT,   /* observes a value */
    T_FIRST, /* its scratch register is the first operand */
    T_COUNT
};

extern const struct mdesc fake_rows[T_COUNT];
extern const struct target fake_target;

/* A function of the target, though without register 7, from a list of statements: `mix v2 v0 v1`,
 * with `#5` for the immediate, `s1` for a slot and so on (set_field); what is not given is 0, size
 * 8, of no place in the source.  `b 0 > 12 /1` begins a block that block 0 leads to, that leads to
 * blocks 1 and 2, and whose loop ends in block 1; without any, there is one block.  In allocated
 * code a statement begins with the number of the statement it stems from (blocks are not counted),
 * `.` if it is the allocator's own, `+` and a number if it writes a constant again. */
struct mach *fake_mach(const char *text, bool allocated);
/* Adds a statement, which is changed, to the last block. */
void fake_add(struct mach *m, char *text);

#endif

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
    T_COUNT
};

extern const struct mdesc fake_rows[T_COUNT];
extern const struct target fake_target;

#endif

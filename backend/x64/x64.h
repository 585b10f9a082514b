/* x64.h: the x86-64 target as the generic parts see it: registers, conditions, the table of
 * instruction forms (x64.def).  x64.c holds the tables; isel*.c select, encode.c makes bytes. */
#ifndef BFOPT_BACKEND_X64_X64_H
#define BFOPT_BACKEND_X64_X64_H

#include "backend/mach.h"

enum x64_op {
#define X64(name, ...) X64_##name,
#include "backend/x64/x64.def"
#undef X64
    X64_OP_COUNT
};

/* Registers have their hardware numbers. */
enum x64_reg {
    X64_RAX,
    X64_RCX,
    X64_RDX,
    X64_RBX,
    X64_RSP,
    X64_RBP,
    X64_RSI,
    X64_RDI,
    X64_R8,
    X64_R9,
    X64_R10,
    X64_R11,
    X64_R12,
    X64_R13,
    X64_R14,
    X64_R15,
    X64_NREGS
};

/* Condition codes as the hardware numbers them; cc ^ 1 is the opposite. */
enum x64_cc {
    X64_CC_O,
    X64_CC_NO,
    X64_CC_B,
    X64_CC_AE,
    X64_CC_Z,
    X64_CC_NZ,
    X64_CC_BE,
    X64_CC_A,
    X64_CC_S,
    X64_CC_NS,
    X64_CC_P,
    X64_CC_NP,
    X64_CC_L,
    X64_CC_GE,
    X64_CC_LE,
    X64_CC_G,
};

/* Instruction sets, as the x86-64 psABI names them. */
enum x64_level {
    X64_LEVEL_BASE, /* SSE2 */
    X64_LEVEL_V3,   /* AVX2 */
    X64_LEVEL_V4,   /* AVX-512 */
};
/* The best level this machine runs. */
enum x64_level x64_native_level(void);

extern const struct target x64_target;

/* "z", "nz", ...: the ending of jcc, setcc, cmovcc. */
const char *x64_cc_name(unsigned cc);
/* The name of a row, "ADD_RI". */
const char *x64_op_name(unsigned op);

#endif

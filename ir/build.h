/* build.h: IR from a parsed program. */
#ifndef BFOPT_IR_BUILD_H
#define BFOPT_IR_BUILD_H

#include "runtime/program.h"
#include "ir/ir.h"

struct build_options {
    unsigned cell_bits;  /* 8, 16, 32, 64 */
    bool strict;         /* TOUCH before every access, so that each trap is exact */
    bool eof_unchanged;  /* `,` needs the old cell; else it only overwrites */
    uint64_t tape_cells; /* size of the tape, 0: unknown */
    bool simplify;       /* each block already simplified (not with strict, which ignores this) */
};

/* The whole program as one unit, entered at cell 0 of a zero tape. */
struct func *ir_build_program(const struct program *p, const struct build_options *o);

/* The loop whose OPEN stands at op[open] as a unit, its entry test included: any tape, any pointer;
 * returns the pointer behind the loop. */
struct func *ir_build_loop(const struct program *p, uint32_t open, const struct build_options *o);

#endif

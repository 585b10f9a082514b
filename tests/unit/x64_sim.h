/* x64_sim.h: executes x86-64 code in machine form, before or after register allocation, straight
 * from the operands that x64.def states.  x64_sim.c. */
#ifndef BFOPT_TESTS_UNIT_X64_SIM_H
#define BFOPT_TESTS_UNIT_X64_SIM_H

#include "backend/mach.h"
#include "runtime/rt.h"

#define SIM_OUT 4096

struct sim {
    uint8_t *tape; /* valid bytes, at their real addresses */
    size_t tape_bytes;
    struct rt *rt;       /* what [rsp] points to */
    uint64_t garbage;    /* seed of everything undefined */
    unsigned long steps; /* left */

    enum { SIM_RETURNED, SIM_TRAPPED, SIM_WILD, SIM_STEPS } end;
    uint64_t result; /* pointer returned, or address trapped at */
    uint8_t out[SIM_OUT];
    unsigned nout, nin;
};

/* What the test's input stream says: the n-th byte read when the cell held `old`. */
uint64_t sim_input(unsigned n, uint64_t old);

void sim_run(struct sim *s, const struct mach *m, uint64_t pointer);

#endif

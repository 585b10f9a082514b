/* runner.h: runs a `program` at compile time, fast, as far as it goes without input and within
 * limits, and says where it stands.  For prerun.c; runner.c.
 *
 * The meaning is ir/eval.c's; this one translates what it runs and keeps the state for a resume.
 */
#ifndef BFOPT_PASSES_RUNNER_H
#define BFOPT_PASSES_RUNNER_H

#include "ir/ir.h"
#include "runtime/text.h"

enum runner_end {
    RUNNER_DONE,     /* at a ret */
    RUNNER_OFF_TAPE, /* at an access to `off`, which is not on the tape */
    RUNNER_INPUT,    /* at an operation that cannot be done now: in, hash */
    RUNNER_LIMIT,    /* at a cell or byte of output too many */
    RUNNER_STEPS,    /* at the start of a block, behind its phis */
};

struct runner {
    /* In. */
    const struct func *f;
    uint64_t steps;  /* instructions allowed */
    uint64_t ncell;  /* cells that may be accessed, from 0 on */
    size_t max_text; /* bytes of output allowed */

    /* Out. */
    enum runner_end end;
    value at;          /* before this instruction it stands; no phi */
    int64_t off;       /* RUNNER_OFF_TAPE: the cell */
    uint64_t *cell;    /* ncell cells */
    uint64_t *reg;     /* by value: what was computed last */
    uint64_t *entered; /* by block: the steps made when it was entered last */
    uint64_t entries;  /* how many blocks were entered */
    struct text out;

    /* Inside. */
    uint64_t used;
    block b; /* that is translated */
    struct code *code;
    uint32_t ncode, code_cap;
    uint32_t *start; /* by block: index in code; 0: not translated */
    uint32_t nreg;   /* registers, those for parallel copies included */
    uint32_t *bulk;  /* by block: index in loop of what is known of it as a loop; 0: nothing */
    struct runner_loop *loop;
    uint32_t nloop, loop_cap;
    struct runner_sum *sum; /* by value: what it is, in the block that is analysed */
};

void runner_run(struct runner *r);
void runner_free(struct runner *r);

#endif

/* eval.h: the meaning of the IR: a plain evaluator.  eval.c.
 *
 * Tests compare what a function does before and after a pass; docs/ir.md refers to eval.c for what
 * each operation means.  It knows no optimization and shares no code with the engines.
 */
#ifndef BFOPT_IR_EVAL_H
#define BFOPT_IR_EVAL_H

#include "ir/ir.h"
#include "runtime/rt.h"
#include "runtime/text.h"

enum eval_end {
    EVAL_DONE,
    EVAL_OFF_TAPE, /* end_src, end_cell */
    EVAL_NO_FUEL,
    EVAL_WRONG, /* the function contradicts itself: `wrong` says how */
};

struct eval {
    /* In.  The tape belongs to the caller: one element a cell, whatever the width. */
    uint64_t *cell;
    uint64_t ncell;
    int64_t pointer; /* where the unit is entered */
    const uint8_t *input;
    size_t ninput;
    enum eof_mode eof;
    uint64_t fuel; /* instructions (and steps of scans) allowed */

    /* Out. */
    enum eval_end end;
    uint32_t end_src; /* source offset of the operation at fault */
    int64_t end_cell; /* cell it tried to touch */
    value end_value;  /* where it ended */
    const char *wrong;
    struct text output; /* to be freed by the caller; `#` leaves its pointer and window here, too */
    size_t nread;       /* bytes of input taken */
    uint64_t steps;     /* instructions run, as fuel counts them */
    /* pointer: the final one, after EVAL_DONE.  Cells outside [low, high) were not written. */
    uint64_t low, high;
};

/* Runs f, which must satisfy the verifier.  Fills in the second part of e, and cell[]. */
void ir_eval(const struct func *f, struct eval *e);

/* "done", "off the tape", ... */
const char *ir_eval_end_name(enum eval_end end);

#endif

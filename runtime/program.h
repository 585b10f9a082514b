/* program.h: a parsed Brainfuck program: a compact array of operations.
 *
 *   ++[->+<],       =>   ADD 2 | OPEN 6 | ADD -1 | MOVE 1 | ADD 1 | MOVE -1 | CLOSE 1 | IN | END
 *
 * Runs of + and - are summed into one ADD (0 is kept: it still touches its cell), runs of > and <
 * into one MOVE (0 is dropped: a move touches nothing).  The array ends with END.
 */
#ifndef BFOPT_RUNTIME_PROGRAM_H
#define BFOPT_RUNTIME_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

enum bf_kind {
    BF_ADD,  /* arg: signed amount, wraps at the cell width */
    BF_MOVE, /* arg: signed number of cells, never 0 */
    BF_IN,
    BF_OUT,
    BF_OPEN,  /* arg: index of the matching CLOSE */
    BF_CLOSE, /* arg: index of the matching OPEN */
    BF_HASH,  /* `#`, only when the parser was asked for it */
    BF_END,
    BF_CALL,          /* arg: number of a loop that stands here; only in the units of the tiers */
    BF_CALL_BALANCED, /* the same, and the loop leaves the pointer where it was */
};

/* 12 bytes.  src is the byte offset of the first character of the run in the source. */
struct bf_op {
    uint32_t kind;
    int32_t arg;
    uint32_t src;
};

struct program {
    struct bf_op *op;
    uint32_t nop;       /* including the final END */
    uint32_t max_depth; /* deepest bracket nesting */
    uint32_t *left;     /* in units of the tiers that call: by operation, for a call: 0, or 1 + how
                           far to the left of its start it looks at most, coming back there or to
                           the right of it; else NULL */
    uint64_t total_moves; /* sum of |arg| over all MOVEs: bounds how far a run can drift */
};

#endif

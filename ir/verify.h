/* verify.h: checks every invariant of ir.h.  verify.c checks the structure, verify_marks.c the
 * no_trap marks.  Linear in the size of the function, safe on any contents of the records. */
#ifndef BFOPT_IR_VERIFY_H
#define BFOPT_IR_VERIFY_H

#include "ir/ir.h"

struct text;

/* Where a function breaks a rule: an instruction, a block, or neither. */
struct ir_fault {
    value v;
    block b;
};

/* True if f is sound.  Otherwise appends the first broken rule to *message, in one line without the
 * line end, and says where in *at. */
bool ir_check(const struct func *f, struct ir_fault *at, struct text *message);

/* True if f is sound.  Otherwise appends to *error the function (of a large one, the block) with
 * the broken rule below the line that breaks it:
 *
 *     %3 = add %2, %4
 *   ; ^ error: ... */
bool ir_verify(const struct func *f, struct text *error);

/* Are the no_trap marks true?  For ir_check, on a function that is sound otherwise. */
bool ir_check_marks(const struct func *f, struct ir_fault *at, struct text *message);

#endif

/* validate.h: do two versions of a function mean the same?  Runs both and compares.  validate.c.
 *
 * What may differ: behind the point where the first version goes off the tape everything may,
 * except that its output must have appeared (at a touch of a strict function: nothing may).  The
 * tape a program leaves behind, since nobody sees it; that of a unit is handed on.  Runs in which
 * the first version contradicts itself (a trap that is none) say nothing.
 */
#ifndef BFOPT_IR_VALIDATE_H
#define BFOPT_IR_VALIDATE_H

#include "ir/eval.h"

/* One way to run a function. */
struct ir_trial {
    uint64_t ncell;       /* size of the tape */
    const uint64_t *cell; /* its first ninit cells; the others are 0 */
    uint64_t ninit;
    int64_t pointer;
    const uint8_t *input;
    size_t ninput;
    enum eof_mode eof;
    uint64_t fuel;     /* of the first version; the second gets more */
    bool ignores_tape; /* the final tapes may differ */
};

/* Runs f as t says; the tape is e->cell (t->ncell cells).  The caller frees it with e->output. */
void ir_trial_run(const struct func *f, const struct ir_trial *t, struct eval *e);
void ir_trial_free(struct eval *e);

/* Does `after` do what `before` does in this trial?  If not, *why says what differs. */
bool ir_same_in_trial(const struct func *before, const struct func *after, const struct ir_trial *t,
                      struct text *why);

/* The same for n made-up trials: inputs, and for units also tapes and pointers, near both ends of
 * the tape, too. */
bool ir_same_meaning(const struct func *before, const struct func *after, unsigned n, uint64_t seed,
                     struct text *why);

#endif

/* synth.h: from what a piece of code does for each of the 256 values of a cell, the key, to
 * expressions in the key.
 *
 *   key  0: x     1: x + 2   2: x + 4   3: 0   4: 2   5: 4 ...
 *   =>   select(ult(2, key), -6, x) + key * 2
 *
 * synth.c.
 */
#ifndef BFOPT_PASSES_SYNTH_H
#define BFOPT_PASSES_SYNTH_H

#include "passes/explore.h"

struct synth {
    struct outcome at[256];
    bool alive[256]; /* dead: the value must be left to the old code */
};

void synth_begin(struct synth *s);
/* One outcome for all values; false if no expression was found. */
bool synth_finish(struct synth *s, struct explore *e, struct outcome *o);

/* The same for those values only for which there is an outcome: the others do not matter. */
bool synth_some(struct synth *s, struct explore *e, struct outcome *o);

#endif

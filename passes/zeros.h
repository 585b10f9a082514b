/* zeros.h: asking whether a cell is 0 at some point, whichever way led there.  zeros.c. */
#ifndef BFOPT_PASSES_ZEROS_H
#define BFOPT_PASSES_ZEROS_H

#include "passes/cells.h"
#include "passes/lanes.h"

/* Is cell c certainly 0 behind v in block b (no v: at b's start)?  Looks back a bounded way. */
bool zeros_prove(struct func *f, struct cells *cells, const struct lanes *lanes, block b, value v,
                 struct cell c);

#endif

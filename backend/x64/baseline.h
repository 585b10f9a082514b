/* baseline.h: operations of tier 0 straight to machine code.  baseline.c. */
#ifndef BFOPT_BACKEND_X64_BASELINE_H
#define BFOPT_BACKEND_X64_BASELINE_H

#include "backend/x64/jit.h"
#include "runtime/tiers.h"

/* Makes baseline code of a loop, as struct tier_request has it, for cells of so many bytes on a
 * tape with guard pages that cover its moves.  False: it cannot be done; the unit is empty. */
bool baseline_make(struct jit_store *store, struct jit_unit *u, const struct program *p,
                   unsigned cell_bytes);

#endif

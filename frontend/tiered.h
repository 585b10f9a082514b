/* tiered.h: the default engine: tiers (runtime/tiers.h) with this compiler behind them. */
#ifndef BFOPT_FRONTEND_TIERED_H
#define BFOPT_FRONTEND_TIERED_H

#include "frontend/options.h"
#include "runtime/program.h"
#include "frontend/source.h"
#include "runtime/rt.h"

/* Runs p on rt, whose tape is mapped and whose I/O is set up; p's operations are changed.  rt->end
 * says how the run ended.  False: a thread is still at work, nothing it uses may be freed. */
bool tiered_run(struct program *p, struct rt *rt, struct source *s, const struct options *o);

#endif

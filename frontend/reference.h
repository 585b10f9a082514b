/* reference.h: the reference interpreter: what a program means.  reference.c.
 *
 * Every other engine is tested against it, so it is written to be obviously right, and shares
 * nothing with them but the parsed program and the run's state (runtime/rt.h).
 */
#ifndef BFOPT_FRONTEND_REFERENCE_H
#define BFOPT_FRONTEND_REFERENCE_H

#include <stdint.h>

#include "runtime/program.h"

struct rt;

/* Runs p on rt, whose tape is mapped and whose I/O is set up, from cell 0 on.  Ends as rt->end
 * says, with rt->end_pointer set; flushes the output however it ends.
 * max_steps: stop before executing one operation more (UINT64_MAX: no limit).  To count source
 * commands, the program must have been parsed one_by_one. */
void reference_run(const struct program *p, struct rt *rt, uint64_t max_steps);

#endif

/* ending.h: what a run tells its user when it is over.  ending.c. */
#ifndef BFOPT_FRONTEND_ENDING_H
#define BFOPT_FRONTEND_ENDING_H

#include "frontend/source.h"
#include "runtime/rt.h"

enum exit_status {
    EXIT_ENDED = 0,
    EXIT_USAGE = 1,  /* wrong usage or an internal limit */
    EXIT_SOURCE = 2, /* an error in the source, or in IR text */
    EXIT_OFF_TAPE = 3,
    EXIT_IO = 4,
    EXIT_MAX_STEPS = 5,
    EXIT_SIGNAL = 128, /* + its number */
};

/* Reports the error a run ended with, if any, and returns the exit status.  s: the source its
 * positions are in; NULL: there is none. */
enum exit_status ending_report(const struct rt *rt, struct source *s);
/* --final-state: one line for scripts that compare engines. */
void ending_state(const struct rt *rt);

#endif

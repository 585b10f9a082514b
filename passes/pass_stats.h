/* pass_stats.h: what passes count, and how long they take.  pass_stats.c. */
#ifndef BFOPT_PASSES_PASS_STATS_H
#define BFOPT_PASSES_PASS_STATS_H

#include "passes/pass.h"
#include "runtime/text.h"

/* timed: asks for the processor's time around each pass, which costs two system calls. */
struct pass_stats *pass_stats_new(bool timed);
void pass_stats_free(struct pass_stats *s);
/* The value of counter "pass.name"; 0 if there is none. */
uint64_t pass_stats_get(const struct pass_stats *s, const char *name);
/* How many runs of pass_table[pass] changed something. */
uint64_t pass_stats_changes(const struct pass_stats *s, unsigned pass);
/* Are times asked for? */
bool pass_stats_timed(const struct pass_stats *s);
/* Counts a run of p. */
void pass_stats_ran(struct pass_stats *s, const struct pass_info *p, bool changed, double seconds);
/* --stats: lines "pass.name = n", passes in the order of passes.def. */
void pass_stats_print(const struct pass_stats *s, struct text *out);
/* --time-passes: one line for each pass that ran. */
void pass_stats_print_times(const struct pass_stats *s, struct text *out);

#endif

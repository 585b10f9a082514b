/* pipeline.h: which passes run, in which order, and what is checked and shown around them.
 * pipeline.c. */
#ifndef BFOPT_PASSES_PIPELINE_H
#define BFOPT_PASSES_PIPELINE_H

#include "passes/pass.h"
#include "passes/pass_stats.h"
#include "runtime/text.h"

/* All zero: -O0, quiet. */
struct pipeline_options {
    int level;                /* -O0 to -O3 */
    bool kept;                /* the code will be kept (-S): time spent now is well spent */
    bool interpreted;         /* an interpreter will run it: an instruction costs a dispatch */
    uint64_t prerun_steps;    /* how far prerun may go; 0: as far as is usual */
    const char *passes;       /* --passes=a,b,c: these instead of the level's; NULL: the level's */
    const char *print_before; /* "all" or names separated by commas; NULL: none */
    const char *print_after;
    const char
        *stop_after;    /* one name: run nothing after the first run of this pass; NULL: run all */
    bool limited;       /* --opt-limit was given: */
    uint64_t opt_limit; /* how many rewrites may be made */
    bool verify_each;   /* ir_verify after each pass (always in builds with assertions) */
    bool validate_each; /* evaluate before and after each pass, and compare */
    uint64_t seed;      /* for the tapes and inputs of validate_each */
    /* Shows f for print_before and print_after: when is "before" or "after". */
    void (*dump)(void *context, struct func *f, const char *when, const char *pass);
    void *dump_context;
    struct pass_stats *stats; /* --stats and --time-passes: collected here; NULL: not at all */
};

/* Runs the passes over f.  All names must be known.  False after an error, described in *error: a
 * pass that verification or validation found wrong (f is as that pass left it). */
bool pipeline_run(struct func *f, const struct pipeline_options *o, struct text *error);

/* Is p among what these options run?  (Passes that only clean up behind others need not run.) */
bool pipeline_has(const struct pipeline_options *o, const struct pass_info *p);

/* --list-passes: the passes, and what each level runs. */
void pipeline_list(struct text *out);

#endif

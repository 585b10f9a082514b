/* differ.h: runs one program under many configurations, in one process, and compares what happens
 * with the reference interpreter.  differ.c. */
#ifndef BFOPT_TESTS_FUZZ_DIFFER_H
#define BFOPT_TESTS_FUZZ_DIFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/rt.h"
#include "runtime/tiers.h"

struct text;

/* The ways to run a program; a new one is a row of `engines` in differ.c. */
enum engine { ENGINE_INTERP, ENGINE_SWITCH, ENGINE_JIT, ENGINE_TIERED, ENGINE_ASM, ENGINE_COUNT };

/* One program, at one width, with one input. */
struct fuzz_program {
    const char *text; /* with a NUL behind it */
    size_t len;
    const uint8_t *input;
    size_t ninput;
    unsigned cell_bits;
    enum eof_mode eof;
    uint32_t seed;      /* of the choice of configurations, where they are drawn */
    uint32_t tape_seed; /* not 0: compiled as a unit and run on a tape with these contents, which
                         * are compared afterwards */
};

/* One way to run a program. */
struct config {
    enum engine engine;
    unsigned level; /* 0 .. 3 */
    unsigned cell_bits;
    enum eof_mode eof;
    bool strict;
    bool baseline;     /* machine code for any x86-64, not for this machine */
    bool bounds;       /* machine code compares with the limits of the tape */
    unsigned max_regs; /* 0: all */
    uint32_t ra_seed;  /* not 0: random choices of the register allocator */
    enum tier_max tier_max;
    uint32_t threshold;    /* of the tiers: rounds before a loop is compiled */
    uint32_t tier_seed;    /* not 0: at most that many, drawn for each loop */
    uint64_t prerun_steps; /* at -O3; 0: as usual */
    bool unit;             /* as a unit: what it leaves on the tape matters */
};

/* The options of bfopt that mean the same. */
void config_text(struct text *out, const struct config *c);

/* What the differential run of one program came to. */
enum verdict {
    AGREES,
    SKIPPED, /* not balanced, too much output, or still running after the step limit */
    DIFFERS, /* `why` tells */
};

/* Faults made on purpose, in programs that write anything, to see that they are found. */
enum sabotage { NO_SABOTAGE, SABOTAGE_OUTPUT, SABOTAGE_CRASH, SABOTAGE_END };

struct pass_stats;
struct differ_options {
    uint64_t max_steps; /* of the reference; a program that needs more is skipped */
    uint64_t cells;     /* of the tape: small, so that going off it is common */
    bool verify;        /* verify the IR after every pass */
    bool validate;      /* evaluate the IR before and after every pass */
    bool check_ra;      /* prove each allocation */
    enum sabotage sabotage;
    struct pass_stats *stats; /* what the passes did is counted here; NULL: not at all */
};

struct differ;
struct differ *differ_new(const struct differ_options *o);
void differ_free(struct differ *d);

/* The reference's run that the following differ_run calls are compared with. */
enum verdict differ_reference(struct differ *d, const struct fuzz_program *p);
/* How it ended: for statistics. */
enum run_end differ_end(const struct differ *d);
/* The same program under c (whose cell_bits, eof and unit are those of the reference run). */
enum verdict differ_run(struct differ *d, const struct config *c, struct text *why);

#endif

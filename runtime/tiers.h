/* tiers.h: runs a program that is compiled while it runs, as far as that pays.
 *
 *   tier 0     the array of operations, interpreted at once (tier0.c).  Loops count their rounds.
 *   baseline   a hot loop as machine code that does what tier 0 does, operation by operation, and
 *              counts as well: made in no time, it runs until there is
 *   a unit     the loop, compiled on its own (the caller of tiers_run does that): entered at its
 *              head, in the middle of the run, and left with the pointer behind the loop.
 *
 * At the head of a loop the state of a run is the pointer and the tape, in every tier, so changing
 * between them is a call.  A unit contains the loops inside it that have run; the others, and large
 * ones, it calls by number through a table of pointers (struct rt, `loop`), which leads to tier 0
 * or to a unit of their own, whatever there is by then.  No code is ever patched.
 *
 * tiers.c keeps count and decides, tier_unit.c cuts units out of the program.
 */
#ifndef BFOPT_RUNTIME_TIERS_H
#define BFOPT_RUNTIME_TIERS_H

#include "runtime/program.h"
#include "runtime/rt.h"
#include "runtime/text.h"

/* What tier 0 makes of operations when it meets them.  The argument of every kind of opening
 * bracket stays the place of the closing one. */
enum tier_kind {
    T0_OPEN = BF_CALL_BALANCED + 1, /* of a loop that was entered: its CLOSE is a T0_CLOSE */
    T0_CLOSE,                       /* arg: number of the loop */
    T0_CLEAR,                       /* a loop that leaves 0 in its cell and changes nothing else */
    T0_SCAN,                        /* a loop of one move */
    T0_MULTIPLY,                    /* a balanced loop without loops that counts its cell to 0 */
    /* A move and the operation behind it, which stays in place, done at once.  Each is a BF_MOVE to
     * whoever asks what the program says (tiers_plain). */
    T0_MOVE_ADD,
    T0_MOVE_OPEN, /* and any opening bracket, if its cell turns out to be 0 */
    T0_MOVE_ENTER,
    T0_MOVE_CLOSE,
    T0_MOVE_CLEAR,
    T0_MOVE_SCAN,
    T0_MOVE_MULTIPLY,
    T0_COUNT,
};

/* What a round of the multiply loop that opens here adds to its own cell. */
int64_t tier0_step(const struct bf_op *open);

/* A loop that is to be compiled: op[0 .. nop) is its source, from OPEN to CLOSE, and END; calls of
 * other loops are BF_CALL.  For baseline code operations are those of tier 0, moves by themselves:
 * brackets are T0_OPEN and T0_CLOSE, whose arguments are the number of the loop, or T0_CLEAR,
 * T0_SCAN, T0_MULTIPLY and BF_CLOSE, whose arguments are each other's places. */
struct tier_request {
    struct program program;
    uint32_t loop; /* its number */
    uint32_t ncalls;
    bool baseline;
};

/* Compiled code.  Owned by whoever made it. */
struct tier_code {
    rt_loop *enter;
    struct fault_unit *fault;
    uint32_t bytes;
    double milliseconds; /* it took to compile, for the log */
};

enum tier_max { TIERS_ALL, TIERS_BASELINE, TIERS_INTERPRET };

struct tiers; /* tiers_int.h */
struct tier_options {
    enum tier_max max;  /* what may be made */
    uint32_t threshold; /* rounds a loop makes before it is compiled */
    uint32_t seed;      /* not 0: a number up to that, drawn for each loop, for tests */
    bool wait;          /* compile when asked, in the running thread: the same in every run */
    bool wait_at_end;   /* for what is being compiled when the program ends */
    /* Compiles a loop.  Called by one thread at a time, but for baseline code, for which the
     * running thread may call at any time.  False: it cannot be. */
    bool (*compile)(void *context, const struct tier_request *r, struct tier_code *code);
    void *context;
    /* A line about the loop at this place of the source, for the log; NULL: no log. */
    void (*log)(void *context, uint32_t src, const char *what);
    /* A unit was put into place; by the running thread; may be NULL. */
    void (*installed)(void *context, uint32_t src, const struct tier_code *code);
    /* Sample the run, and count rounds; then `finish` is called when it is over, while everything
     * is still there. */
    bool profile;
    void (*finish)(void *context, const struct tiers *t);
};

struct tier_stats {
    uint32_t loops;      /* that ran at all */
    uint32_t requests;   /* loops handed to the compiler */
    uint32_t units;      /* that were entered into the table */
    uint32_t failed;     /* that could not be compiled, or were too large */
    uint64_t bytes;      /* of the units' code */
    double milliseconds; /* compiling them took */
    uint64_t ops;        /* their operations */
    uint64_t entries;    /* of units, from tier 0 and baseline code */
    uint64_t calls;      /* of tier 0, from units and baseline code */
    uint32_t baseline_units, baseline_failed;
    uint64_t baseline_bytes, baseline_entries; /* from tier 0 */
    double baseline_milliseconds;
};

/* Runs p, whose operations it changes, on rt, whose tape is mapped and whose I/O is set up.
 * rt->end says how the run ended; end_pointer is set if it was RUN_DONE.  False: a thread still
 * calls o->compile, so that the process should end without freeing anything. */
bool tiers_run(struct program *p, struct rt *rt, const struct tier_options *o,
               struct tier_stats *stats);

#endif

/* explore.h: everything one iteration of a loop may do, found by following each way through it.
 *
 * The cells an iteration starts with are symbols at offsets from one pointer, the root; what it
 * computes are expressions over them (expr.h).  Where the outcome of a br is not known, both ways
 * are followed, up to a bound: the result is a tree of decisions with what each way leaves behind,
 * which is then put together again with selects.  Ways that are not worth following (an inner loop
 * that goes on for who knows how long; too many decisions) are dead: the result says when they are
 * taken.  explore.c.
 *
 * Or the ways are followed one at a time, as `thread` wants them (explore_upto): inner loops and
 * scans round by round, each test that is not known a decision, and through several iterations.
 */
#ifndef BFOPT_PASSES_EXPLORE_H
#define BFOPT_PASSES_EXPLORE_H

#include "ir/cfg.h"
#include "passes/cells.h"
#include "passes/expr.h"

#define EXPLORE_BLOCKS 48
#define EXPLORE_VALUES 512
#define EXPLORE_CELLS  16 /* that one iteration accesses */
#define EXPLORE_OUTS   8  /* values of the loop that are used behind it */
#define EXPLORE_PHIS   32 /* of a block */
#define EXPLORE_FORKS  16 /* decisions on one way */
#define EXPLORE_LEAVES 24 /* ways */
#define EXPLORE_LOOPS  32

/* The slots of a result. */
enum {
    SLOT_BAD,  /* not 0: the iteration goes a dead way */
    SLOT_EXIT, /* what the br at the end tests */
    SLOT_CELL, /* final contents of cells, as in explore.cell */
    SLOT_OUT = SLOT_CELL + EXPLORE_CELLS,
    SLOT_COUNT = SLOT_OUT + EXPLORE_OUTS,
};

struct outcome {
    node slot[SLOT_COUNT];
};

struct decision {
    node cond;
    bool zero;  /* the way taken */
    bool other; /* the other way is, or was, followed too; else it is dead */
};

/* One cell on the way being followed. */
struct way_cell {
    int64_t off;
    uint32_t src; /* of the first access */
    node now;
};

struct way {
    bool dead;
    bool open;     /* dead only because nobody said where to go at its last decision */
    int64_t delta; /* how far the root has moved at the end */
    int64_t out_offset[EXPLORE_OUTS];
    node exit, out[EXPLORE_OUTS];
    struct way_cell cell[EXPLORE_CELLS]; /* in the order of their first accesses */
    unsigned ncell;
    unsigned nfree; /* of them: accessed before the first decision whose other way is dead */
    struct decision decision[EXPLORE_FORKS];
    unsigned ndecision;
    unsigned known;   /* singly: tests that were no decisions */
    uint32_t entered; /* inner loops, a set */
    unsigned rounds;  /* singly: iterations that ended */
};

struct explore {
    /* Set by the user. */
    struct func *f;
    const struct cfg *cfg;
    struct cells *cells;
    uint32_t *local;         /* per value of f: its local number while a loop is explored; else 0 */
    uint32_t nlocal, nblock; /* values and blocks made since are not the loop's */
    uint64_t steps;          /* instructions that may still be followed, altogether */
    bool singly;             /* for explore_upto */
    unsigned rounds;         /* singly: iterations a way may have; */
    bool even;               /* behind each the root has moved that far */
    int64_t step;

    /* The loop at hand. */
    block head, latch;
    unsigned back; /* successor of latch that is head */
    block body[EXPLORE_BLOCKS];
    unsigned nbody;
    value values[EXPLORE_VALUES]; /* of the loop, by local number */
    unsigned nvalue;
    value root;              /* NO_VALUE: no access seen yet */
    value out[EXPLORE_OUTS]; /* what is used behind the loop */
    unsigned nout;
    uint32_t loop[EXPLORE_LOOPS]; /* inner loops met */
    unsigned nloop;
    /* Sets of them: a test was decided; a way was dead because it went on; live ways entered it, or
     * did not. */
    uint32_t known, blamed, in, past;
    unsigned nbranch; /* brs in the body */
    unsigned nscan;   /* scans in it (singly) */
    /* Singly: this cell is not 0 when an iteration starts that is not the first. */
    bool head_known;
    int64_t head_off;

    struct exprs x;
    /* With a key, one cell starts with a known number. */
    bool keyed;
    int64_t key_off;
    uint64_t key;

    /* The tree. */
    struct way way[EXPLORE_LEAVES];
    unsigned nway;
    bool have_delta;
    int64_t delta;
    int64_t out_offset[EXPLORE_OUTS];
    int64_t cell[EXPLORE_CELLS]; /* offsets of the cells in outcomes */
    uint32_t src[EXPLORE_CELLS];
    bool certain[EXPLORE_CELLS]; /* accessed whatever way is taken, dead ones included */
    bool alive[EXPLORE_CELLS];   /* accessed on every way that is alive */
    unsigned ncell;
    bool complete;                /* new cells come too late to have been accessed on every way */
    uint64_t followed, decisions; /* ways, and decisions on them */

    /* The way. */
    node env[EXPLORE_VALUES];
    int64_t place[EXPLORE_VALUES]; /* pointers: offset from the root */
    bool set[EXPLORE_VALUES];
    struct {
        node n;
        node is; /* its constant; none: not 0 */
    } fact[2 * EXPLORE_FORKS];
    unsigned nfact;

    /* Singly: as the last iteration ended that did. */
    struct way whole;
    node whole_next[EXPLORE_PHIS]; /* the head's phis of cells, in order */
};

void explore_init(struct explore *e, struct func *f);
void explore_free(struct explore *e);
/* Takes up loop n; false if it is nothing to explore.  explore_end must follow either way. */
bool explore_begin(struct explore *e, uint32_t n);
void explore_end(struct explore *e);
static inline uint32_t explore_local(const struct explore *e, value v) {
    return v.i < e->nlocal ? e->local[v.i] : 0;
}
/* Adds a value whose result matters behind the loop; false if there are too many. */
bool explore_add_out(struct explore *e, value v);
/* Follows all ways. */
enum followed { CANNOT_FOLLOW, TOO_MANY_WAYS, ALL_FOLLOWED };
enum followed explore_follow(struct explore *e);
/* Follows one way up to the first decision behind the given ones; false if it cannot be followed.
 * Alive is what gets to the head again, and only there outs are of interest. */
bool explore_upto(struct explore *e, struct way *w, const bool *side, unsigned nside);
/* Makes dead the ways that end with other offsets than most.  (Most of those of the first time it
 * is called for a loop.) */
void explore_agree(struct explore *e);
/* Forgets which cells there are. */
void explore_forget_cells(struct explore *e);
/* Adds the cells of these ways; false if there are too many. */
bool explore_cells(struct explore *e);
/* Puts the ways together.  False if none is alive. */
bool explore_merge(struct explore *e, struct outcome *o);
/* May the dead ways be called rare?  Those that walk on in a loop of unknown length may not, unless
 * the loop shows itself to be a branch in disguise. */
bool explore_plausible(const struct explore *e);

#endif

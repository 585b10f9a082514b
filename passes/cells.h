/* cells.h: names for tape cells, so that passes can compare addresses.
 *
 * Every pointer is a root (a pointer that is no move) plus a distance in cells; a cell is a
 * (root, offset) pair, numbered from 1.  Two cells of one root are the same or disjoint by their
 * numbers; cells of different roots may be the same.  cells.c.
 */
#ifndef BFOPT_PASSES_CELLS_H
#define BFOPT_PASSES_CELLS_H

#include "ir/ir.h"

struct cell {
    value root;
    int64_t off;
};

struct cells {
    struct func *f;
    struct cell *at; /* at[1..n-1]; a pass may keep arrays of its own indexed alike */
    uint32_t n, cap;
    struct cells_entry {
        uint32_t root, id; /* id 0: free */
        int64_t off;
    } * table;            /* hash table; made when the first number is asked for */
    uint32_t size;        /* a power of two */
    uint32_t last;        /* the number given last: most cells are used twice in a row */
    struct cell *pointer; /* memo: root and distance of each move seen */
    uint32_t npointer;
};

void cells_init(struct cells *c, struct func *f);
void cells_free(struct cells *c);
/* Makes room at once for about as many cells as such a function has, for who numbers them all. */
void cells_expect_all(struct cells *c);
/* For who needs numbers for one loop at a time: forgets those given so far when they have become
 * so many that the table no longer fits the processor's cache. */
void cells_forget(struct cells *c);
/* The address p + k as root and offset. */
struct cell cells_address(struct cells *c, value p, int64_t k);
/* The number of the cell at p + k (given one if it has none). */
uint32_t cells_id(struct cells *c, value p, int64_t k);
/* The number of the cell a LOAD, STORE, TOUCH or SCAN accesses (first). */
uint32_t cells_of(struct cells *c, value v);
/* The number of cells a program's tape certainly has. */
uint64_t cells_on_tape(const struct func *f);
/* Is the cell certainly on the tape, and 0 when f starts? */
bool cell_starts_zero(const struct func *f, struct cell c);

static inline int64_t cells_add(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

#endif

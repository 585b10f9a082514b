/* pmove.c: orders parallel moves.
 *
 *   a <- b, b <- a, c <- a      =>      c <- a;  swap a, b
 *
 * A move whose destination no other pending move reads can be made at once; when none is left, the
 * rest are disjoint cycles, and a cycle of n locations takes n - 1 swaps. */
#include "backend/ra.h"

#include "runtime/alloc.h"

/* How many pending moves read location `loc`. */
static unsigned readers(const struct pmove *m, unsigned n, uint32_t loc) {
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++)
        count += m[i].from == loc;
    return count;
}

/* Emits every move that no other one blocks; returns how many moves remain in `m`. */
static unsigned emit_free(struct pmove *m, unsigned n, struct pmove_step *out, unsigned *nout) {
    bool progress = true;
    while (progress) {
        progress = false;
        for (unsigned i = 0; i < n; i++) {
            if (readers(m, n, m[i].to) != 0)
                continue;
            out[(*nout)++] = (struct pmove_step){PMOVE_COPY, m[i].from, m[i].to};
            m[i--] = m[--n];
            progress = true;
        }
    }
    return n;
}

/* What remains is cycles.  After swapping (from, to) the move's destination is right, and whoever
 * wanted the old contents of `to` finds them in `from`. */
static void emit_cycles(struct pmove *m, unsigned n, struct pmove_step *out, unsigned *nout) {
    while (n > 0) {
        struct pmove done = m[--n];
        if (done.from == done.to)
            continue;
        out[(*nout)++] = (struct pmove_step){PMOVE_SWAP, done.from, done.to};
        for (unsigned i = 0; i < n; i++)
            if (m[i].from == done.to)
                m[i].from = done.from;
    }
}

unsigned pmove_resolve(const struct pmove *moves, unsigned n, struct pmove_step *out) {
    struct pmove *work = xalloc(n, sizeof *work);
    unsigned left = 0, nout = 0;
    for (unsigned i = 0; i < n; i++)
        if (moves[i].from != moves[i].to)
            work[left++] = moves[i];
    left = emit_free(work, left, out, &nout);
    emit_cycles(work, left, out, &nout);
    xfree(work);
    return nout;
}

/* lint.c: finds loops that provably never end.
 *
 *   +[]     ]+[]     ]-[--]
 *
 * One walk over the operations that knows, at best, the current cell: it is zero at the start and
 * behind every loop, and ADD changes it.  A loop whose body is nothing but ADDs, s in all, entered
 * with k, ends if and only if k is a multiple of the largest power of two that divides s.
 * Only a warning: the program may be meant to stop there.
 */
#include "frontend/lint.h"

#include <stdbool.h>

#include "frontend/diag.h"

#define LINT_MAX_WARNINGS 8

struct lint {
    bool known;    /* is the current cell known */
    bool blank;    /* are all cells still zero */
    uint64_t cell; /* then this is it */
    uint64_t mask; /* of the cell width */
};

/* If the loop at op[i] consists of ADDs only, stores their sum. */
static bool lint_counter(const struct bf_op *op, uint32_t i, uint64_t *step) {
    *step = 0;
    for (i++; op[i].kind == BF_ADD; i++)
        *step += (uint64_t)(int64_t)op[i].arg;
    return op[i].kind == BF_CLOSE;
}

/* Does the loop at op[i], entered with the known cell, run for ever? */
static bool lint_endless(const struct lint *l, const struct bf_op *op, uint32_t i) {
    uint64_t step;
    if (!l->known || l->cell == 0 || !lint_counter(op, i, &step))
        return false;
    step &= l->mask;
    uint64_t power = step & -step; /* the largest power of two that divides it; 0 for 0 */
    return step == 0 || (l->cell & (power - 1)) != 0;
}

/* The state behind op[i]; returns the next operation to look at. */
static uint32_t lint_step(struct lint *l, const struct bf_op *op, uint32_t i) {
    switch ((enum bf_kind)op[i].kind) {
    case BF_ADD:
        l->cell = (l->cell + (uint64_t)(int64_t)op[i].arg) & l->mask;
        l->blank = false;
        break;
    case BF_MOVE:
        l->known = l->blank;
        l->cell = 0;
        break;
    case BF_IN:
        l->known = l->blank = false;
        break;
    case BF_OPEN:
        if (l->known && l->cell == 0)
            return (uint32_t)op[i].arg + 1; /* Never entered. */
        l->known = l->blank = false;
        break;
    case BF_CLOSE:
        l->known = true;
        l->cell = 0;
        break;
    case BF_OUT:
    case BF_HASH:
    case BF_CALL:
    case BF_CALL_BALANCED:
    case BF_END:
        break;
    }
    return i + 1;
}

void lint_program(const struct program *p, struct source *s, unsigned cell_bits) {
    struct lint l = {.known = true, .blank = true, .mask = UINT64_MAX >> (64 - cell_bits)};
    int warnings = 0;
    for (uint32_t i = 0; i < p->nop && warnings < LINT_MAX_WARNINGS;) {
        if (p->op[i].kind == BF_OPEN && lint_endless(&l, p->op, i)) {
            diag_warning_at(s, p->op[i].src, "this loop never ends once it is reached");
            warnings++;
        }
        i = lint_step(&l, p->op, i);
    }
}

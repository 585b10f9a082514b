/* walk.c: runs walks (ir/walk.h) a round at a time, in loops of C: no instruction is dispatched
 * between rounds.
 *
 * A round is run only where all it may access is on the tape; a walk that leaves it stops before
 * that round, which is then run as written and reports what there is to report.  Rounds and the
 * operations in a round keep their order, so operations may depend on each other in any way. */
#include "backend/vm/interp.h"

/* ---- rounds ---- */

#define CELL(at) (*(cell *)(p + (at)))

#define STATEMENT(o)                                                                               \
    CELL(o.dst) = (cell)((CELL(o.dst) & o.keep) + CELL(o.src) * (uint64_t)o.factor + o.add)

/* A function that runs rounds: `head` declares what does not change, `body` is a round. */
#define ROUNDS(name, head, body)                                                                   \
    static struct vm_walked name(const struct vm_walk *k, uint8_t *p) {                            \
        const int64_t step = k->step, test = k->test;                                              \
        const uintptr_t from = k->from;                                                            \
        const uint64_t span = k->span;                                                             \
        head while ((uint64_t)((uintptr_t)p - from) < span) {                                      \
            body p = (uint8_t *)((uintptr_t)p + (uintptr_t)step);                                  \
            if (CELL(test) == 0)                                                                   \
                return (struct vm_walked){p, 0};                                                   \
        }                                                                                          \
        return (struct vm_walked){p, 1};                                                           \
    }

#define OP(n) const struct vm_walk_op o##n = k->op[n];

/* [dst] += [src] (or =), [src] = 0, where the next round's dst is this one's src: it is
 * overwritten, so only the last is cleared. */
#define SHIFT(name, first)                                                                         \
    static struct vm_walked name(const struct vm_walk *k, uint8_t *p) {                            \
        const int64_t step = k->step, test = k->test, dst = k->op[0].dst, src = k->op[0].src;      \
        const uintptr_t from = k->from;                                                            \
        const uint64_t span = k->span;                                                             \
        if ((uint64_t)((uintptr_t)p - from) >= span)                                               \
            return (struct vm_walked){p, 1};                                                       \
        CELL(dst) first CELL(src);                                                                 \
        for (;;) {                                                                                 \
            p = (uint8_t *)((uintptr_t)p + (uintptr_t)step);                                       \
            bool more = CELL(test) != 0;                                                           \
            if (!more || (uint64_t)((uintptr_t)p - from) >= span) {                                \
                CELL(src - step) = 0;                                                              \
                return (struct vm_walked){p, more};                                                \
            }                                                                                      \
            CELL(dst) = CELL(src);                                                                 \
        }                                                                                          \
    }

/* All shapes, for cells of one width. */
#define SHAPES(bits)                                                                               \
    ROUNDS(walk_0_##bits, , )                                                                      \
    ROUNDS(walk_1_##bits, OP(0), STATEMENT(o0);)                                                   \
    ROUNDS(walk_2_##bits, OP(0) OP(1), STATEMENT(o0); STATEMENT(o1);)                              \
    ROUNDS(walk_3_##bits, OP(0) OP(1) OP(2), STATEMENT(o0); STATEMENT(o1); STATEMENT(o2);)         \
    ROUNDS(walk_4_##bits, OP(0) OP(1) OP(2) OP(3), STATEMENT(o0); STATEMENT(o1); STATEMENT(o2);    \
           STATEMENT(o3);)                                                                         \
    ROUNDS(walk_n_##bits, const unsigned nop = k->nop;                                             \
           , for (unsigned i = 0; i < nop; i++) STATEMENT(k->op[i]);)                              \
    SHIFT(walk_shift_##bits, +=)                                                                   \
    SHIFT(walk_copy_##bits, =)                                                                     \
    ROUNDS(walk_move_##bits, OP(0), cell x = CELL(o0.src); CELL(o0.src) = 0;                       \
           CELL(o0.dst) = (cell)(CELL(o0.dst) + x);)

#define cell uint8_t
SHAPES(8)
#undef cell
#define cell uint16_t
SHAPES(16)
#undef cell
#define cell uint32_t
SHAPES(32)
#undef cell
#define cell uint64_t
SHAPES(64)
#undef cell

/* ---- making them ---- */

typedef struct vm_walked runner(const struct vm_walk *k, uint8_t *p);

enum shape {
    SHAPE_0,
    SHAPE_1,
    SHAPE_2,
    SHAPE_3,
    SHAPE_4,
    SHAPE_N,
    SHAPE_MOVE,
    SHAPE_SHIFT,
    SHAPE_COPY,
    SHAPES_N
};

#define ROW(bits)                                                                                  \
    {                                                                                              \
        walk_0_##bits, walk_1_##bits, walk_2_##bits, walk_3_##bits, walk_4_##bits, walk_n_##bits,  \
            walk_move_##bits, walk_shift_##bits, walk_copy_##bits                                  \
    }
static runner *const runners[4][SHAPES_N] = {ROW(8), ROW(16), ROW(32), ROW(64)};

/* [dst] += [src] or [dst] = [src], then [src] = 0? */
static bool is_move(const struct walk *w) {
    const struct walk_op *a = &w->op[0], *b = &w->op[1];
    return w->nop == 2 && a->factor == 1 && a->add == 0 && !b->keep && b->factor == 0 &&
           b->add == 0 && b->dst == a->src && a->dst != a->src;
}

static enum shape shape_of(const struct walk *w) {
    if (is_move(w) && w->op[0].dst == w->op[0].src - w->step && w->test != w->op[0].src)
        return w->op[0].keep ? SHAPE_SHIFT : SHAPE_COPY;
    if (is_move(w) && w->op[0].keep)
        return SHAPE_MOVE;
    return w->nop <= 4 ? (enum shape)w->nop : SHAPE_N;
}

struct vm_walk vm_walk_make(const struct walk *w, unsigned cell_bits) {
    int64_t bytes = cell_bits / 8;
    struct vm_walk k = {.run = runners[__builtin_ctz(cell_bits) - 3][shape_of(w)],
                        .step = w->step * bytes,
                        .test = (w->test - w->step) * bytes,
                        .low = w->low * bytes,
                        .high = (w->high + 1) * bytes,
                        .nop = w->nop};
    for (unsigned i = 0; i < w->nop; i++) {
        const struct walk_op *o = &w->op[i];
        k.op[i] = (struct vm_walk_op){.dst = o->dst * bytes,
                                      .src = o->src * bytes,
                                      .keep = o->keep ? UINT64_MAX : 0,
                                      .factor = o->factor,
                                      .add = o->add};
    }
    return k;
}

void vm_walk_place(struct vm_walk *k, const struct tape *t) {
    uint64_t size = (uint64_t)(k->high - k->low);
    k->from = (uintptr_t)t->base - (uintptr_t)k->low;
    k->span = size > t->bytes ? 0 : t->bytes - size + 1;
}

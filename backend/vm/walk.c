/* walk.c: runs walks (ir/walk.h) in loops of C: no instruction is dispatched between rounds.
 *
 * A round is run only where all it may access is on the tape; a walk that leaves it stops before
 * that round, which is then run as written and reports what there is to report.  Rounds and the
 * operations in a round keep their order, so operations may depend on each other in any way.
 *
 * Most walks consist of few kinds of operations, and each shape that is frequent has a loop of its
 * own: a round of [2] += [0] - 1, [4] += [2], [0] = 1 takes 10 machine instructions there and 28 in
 * the loop for any three operations. */
#include "backend/vm/interp.h"

#include <string.h>

/* ---- rounds ---- */

#define CELL(at) (*(cell *)(p + (at)))

/* What an operation does, by its kind: adds a constant, sets to one, adds a cell and a constant, or
 * anything. */
#define OP(n)  const struct vm_walk_op o##n = k->op[n];
#define INC(n) CELL(o##n.dst) = (cell)(CELL(o##n.dst) + o##n.add);
#define SET(n) CELL(o##n.dst) = (cell)o##n.add;
#define ADD(n) CELL(o##n.dst) = (cell)(CELL(o##n.dst) + CELL(o##n.src) + o##n.add);
#define ANY(n) STATEMENT(o##n)
#define STATEMENT(o)                                                                               \
    CELL(o.dst) = (cell)((CELL(o.dst) & o.keep) + CELL(o.src) * (uint64_t)o.factor + o.add);
#define MOVE                                                                                       \
    cell x = CELL(o0.src);                                                                         \
    CELL(o0.src) = 0;                                                                              \
    CELL(o0.dst) = (cell)(CELL(o0.dst) + x);

#define ROUND(body, at_end)                                                                        \
    {                                                                                              \
        body p = (uint8_t *)((uintptr_t)p + (uintptr_t)step);                                      \
        if (CELL(test) == 0) {                                                                     \
            at_end return (struct vm_walked){p, 0};                                                \
        }                                                                                          \
    }

/* Rounds, as long as they go: WALK_BATCH of them with one look at where they are.  `at_end` is
 * done behind the last round. */
#define RUN(body, at_end)                                                                          \
    for (;;) {                                                                                     \
        if ((uint64_t)((uintptr_t)p - batch_from) < batch_span) {                                  \
            ROUND(body, at_end)                                                                    \
            ROUND(body, at_end)                                                                    \
            ROUND(body, at_end)                                                                    \
            ROUND(body, at_end)                                                                    \
        } else if ((uint64_t)((uintptr_t)p - from) < span) {                                       \
            ROUND(body, at_end)                                                                    \
        } else {                                                                                   \
            at_end return (struct vm_walked){p, 1};                                                \
        }                                                                                          \
    }
#define WALK_BATCH 4

/* A function that runs rounds: `head` declares what does not change. */
#define FUNCTION(name, head, ...)                                                                  \
    static struct vm_walked name(const struct vm_walk *k, uint8_t *p) {                            \
        const int64_t step = k->step, test = k->test;                                              \
        const uintptr_t from = k->from, batch_from = k->batch_from;                                \
        const uint64_t span = k->span, batch_span = k->batch_span;                                 \
        head __VA_ARGS__                                                                           \
    }

/* [dst] += [src] (or =), [src] = 0, where the next round's dst is this one's src: it is
 * overwritten, so only the last is cleared. */
#define SHIFT(name, first)                                                                         \
    FUNCTION(name, const int64_t dst = k->op[0].dst; const int64_t src = k->op[0].src;             \
             , if ((uint64_t)((uintptr_t)p - from) >= span) return (struct vm_walked){p, 1};       \
             ROUND(CELL(dst) first CELL(src);, CELL(src - step) = 0;)                              \
                 RUN(CELL(dst) = CELL(src);, CELL(src - step) = 0;))

/* All shapes but shifts: the kinds of their operations in order, what their function declares, and
 * its round.  The first that fits is taken. */
#define SHAPES(X)                                                                                  \
    X(none, "", , )                                                                                \
    X(i, "i", OP(0), INC(0))                                                                       \
    X(s, "s", OP(0), SET(0))                                                                       \
    X(ss, "ss", OP(0) OP(1), SET(0) SET(1))                                                        \
    X(as, "as", OP(0) OP(1), ADD(0) SET(1))                                                        \
    X(sss, "sss", OP(0) OP(1) OP(2), SET(0) SET(1) SET(2))                                         \
    X(aas, "aas", OP(0) OP(1) OP(2), ADD(0) ADD(1) SET(2))                                         \
    X(aaas, "aaas", OP(0) OP(1) OP(2) OP(3), ADD(0) ADD(1) ADD(2) SET(3))                          \
    X(1, "x", OP(0), ANY(0))                                                                       \
    X(2, "xx", OP(0) OP(1), ANY(0) ANY(1))                                                         \
    X(3, "xxx", OP(0) OP(1) OP(2), ANY(0) ANY(1) ANY(2))                                           \
    X(4, "xxxx", OP(0) OP(1) OP(2) OP(3), ANY(0) ANY(1) ANY(2) ANY(3))                             \
    X(n, "*", const unsigned nop = k->nop;, for (unsigned i = 0; i < nop; i++) STATEMENT(k->op[i]))

/* ---- for each width ---- */

#define WIDTH(bits)                                                                                \
    SHAPES(FUNCTION_##bits)                                                                        \
    FUNCTION(walk_move_##bits, OP(0), RUN(MOVE, ))                                                 \
    SHIFT(walk_shift_##bits, +=)                                                                   \
    SHIFT(walk_copy_##bits, =)
#define FUNCTION_8(name, kinds, head, body)  FUNCTION(walk_##name##_8, head, RUN(body, ))
#define FUNCTION_16(name, kinds, head, body) FUNCTION(walk_##name##_16, head, RUN(body, ))
#define FUNCTION_32(name, kinds, head, body) FUNCTION(walk_##name##_32, head, RUN(body, ))
#define FUNCTION_64(name, kinds, head, body) FUNCTION(walk_##name##_64, head, RUN(body, ))

#define cell uint8_t
WIDTH(8)
#undef cell
#define cell uint16_t
WIDTH(16)
#undef cell
#define cell uint32_t
WIDTH(32)
#undef cell
#define cell uint64_t
WIDTH(64)
#undef cell

/* ---- making them ---- */

typedef struct vm_walked runner(const struct vm_walk *k, uint8_t *p);

struct shape {
    const char *kinds;
    runner *run[4]; /* by width */
};

#define ROW(name)                                                                                  \
    { walk_##name##_8, walk_##name##_16, walk_##name##_32, walk_##name##_64 }
static const struct shape shapes[] = {
#define SHAPE(name, kinds, head, body) {kinds, ROW(name)},
    SHAPES(SHAPE)
#undef SHAPE
};
static runner *const moves[] = ROW(move), *const shifts[] = ROW(shift), *const copies[] = ROW(copy);

/* Is operation o one of this kind?  The last shape has any number of any kind. */
static bool is_kind(const struct walk_op *o, char kind) {
    switch (kind) {
    case 'i':
        return o->keep && o->factor == 0;
    case 's':
        return !o->keep && o->factor == 0;
    case 'a':
        return o->keep && o->factor == 1;
    default:
        return true;
    }
}

static bool is_shape(const struct walk *w, const char *kinds) {
    if (*kinds == '*')
        return true;
    if (strlen(kinds) != w->nop)
        return false;
    for (unsigned i = 0; i < w->nop; i++)
        if (!is_kind(&w->op[i], kinds[i]))
            return false;
    return true;
}

/* [dst] += [src] or [dst] = [src], then [src] = 0? */
static bool is_move(const struct walk *w) {
    const struct walk_op *a = &w->op[0], *b = &w->op[1];
    return w->nop == 2 && a->factor == 1 && a->add == 0 && !b->keep && b->factor == 0 &&
           b->add == 0 && b->dst == a->src && a->dst != a->src;
}

/* The functions for walk w, by width. */
static runner *const *runners(const struct walk *w) {
    if (is_move(w) && w->op[0].dst == w->op[0].src - w->step && w->test != w->op[0].src)
        return w->op[0].keep ? shifts : copies;
    if (is_move(w) && w->op[0].keep)
        return moves;
    const struct shape *s = shapes;
    while (!is_shape(w, s->kinds))
        s++;
    return s->run;
}

struct vm_walk vm_walk_make(const struct walk *w, unsigned cell_bits) {
    int64_t bytes = cell_bits / 8;
    struct vm_walk k = {.run = runners(w)[__builtin_ctz(cell_bits) - 3],
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

/* Where a pointer may be so that all from low to high bytes from it are on the tape. */
static uint64_t place(const struct tape *t, int64_t low, int64_t high, uintptr_t *from) {
    uint64_t size = (uint64_t)(high - low);
    *from = (uintptr_t)t->base - (uintptr_t)low;
    return size > t->bytes ? 0 : t->bytes - size + 1;
}

void vm_walk_place(struct vm_walk *k, const struct tape *t) {
    int64_t more = (WALK_BATCH - 1) * k->step;
    k->span = place(t, k->low, k->high, &k->from);
    k->batch_span =
        place(t, k->low + (more < 0 ? more : 0), k->high + (more > 0 ? more : 0), &k->batch_from);
}

/* reference.c: a plain loop over the operations of a program.
 *
 * The rules of the language, as they stand here:
 *  - The tape is cells 0 .. n - 1.  `+ - . , [ ]` access the cell at the pointer; an access outside
 *    the tape ends the run.  Moving the pointer never does.
 *  - A cell holds an unsigned number modulo 2^width.
 *  - `[` goes behind its `]` if the cell is zero; `]` goes behind its `[` if it is not.
 *  - `.` writes the low byte, `,` reads a byte, or does what --eof says.
 * The only cleverness: the loop is compiled once for each cell width.
 */
#include "frontend/reference.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/rt.h"

struct ref {
    struct rt *rt;
    uint8_t *base;
    int64_t cells;
    int64_t pointer; /* index of the current cell; anything while no cell is accessed */
};

/* May the current cell be accessed?  If not, records the error. */
static inline bool ref_in_tape(struct ref *r, const struct bf_op *op) {
    if (r->pointer >= 0 && r->pointer < r->cells)
        return true;
    r->rt->end = RUN_OFF_TAPE;
    r->rt->end_src = op->src;
    r->rt->end_cell = r->pointer;
    return false;
}

/* The current cell, which is `width` bytes. */
static inline uint64_t ref_get(const struct ref *r, unsigned width) {
    uint64_t v = 0;
    memcpy(&v, r->base + r->pointer * (int64_t)width, width);
    return v;
}

static inline void ref_set(struct ref *r, unsigned width, uint64_t v) {
    memcpy(r->base + r->pointer * (int64_t)width, &v, width);
}

/* `,`: false if the input failed. */
static bool ref_in(struct ref *r, unsigned width) {
    uint64_t v = ref_get(r, width);
    if (rt_in(r->rt, &v) != 0)
        return false;
    ref_set(r, width, v);
    return true;
}

/* `#`: the pointer may be anywhere. */
static bool ref_hash(struct ref *r, unsigned width, const struct bf_op *op) {
    uintptr_t at = (uintptr_t)r->base + (uintptr_t)(r->pointer * (int64_t)width);
    return r->rt->hash == NULL || r->rt->hash(r->rt, (uint8_t *)at, op->src) == 0;
}

/* Each case that goes wrong has set rt->end and returns. */
static inline __attribute__((always_inline)) void ref_loop(struct ref *r, const struct bf_op *op0,
                                                           uint64_t max_steps, unsigned width) {
    uint64_t steps = 0;
    for (const struct bf_op *op = op0;; op++) {
        if (op->kind != BF_END && op->kind != BF_HASH && steps++ == max_steps) {
            r->rt->end = RUN_MAX_STEPS;
            r->rt->end_src = op->src;
            return;
        }
        switch ((enum bf_kind)op->kind) {
        case BF_ADD:
            if (!ref_in_tape(r, op))
                return;
            ref_set(r, width, ref_get(r, width) + (uint64_t)(int64_t)op->arg);
            break;
        case BF_MOVE:
            r->pointer += op->arg;
            break;
        case BF_IN:
            if (!ref_in_tape(r, op) || !ref_in(r, width))
                return;
            break;
        case BF_OUT:
            if (!ref_in_tape(r, op) || rt_out(r->rt, (uint8_t)ref_get(r, width)) != 0)
                return;
            break;
        case BF_OPEN:
            if (!ref_in_tape(r, op))
                return;
            if (ref_get(r, width) == 0)
                op = op0 + op->arg;
            break;
        case BF_CLOSE:
            if (!ref_in_tape(r, op))
                return;
            if (ref_get(r, width) != 0)
                op = op0 + op->arg;
            break;
        case BF_HASH:
            if (!ref_hash(r, width, op))
                return;
            break;
        case BF_CALL: /* never in a program as parsed */
        case BF_CALL_BALANCED:
        case BF_END:
            return;
        }
    }
}

void reference_run(const struct program *p, struct rt *rt, uint64_t max_steps) {
    struct ref r = {.rt = rt, .base = rt->tape.base, .cells = (int64_t)tape_cells(&rt->tape)};
    rt->end = RUN_DONE;
    switch (rt->tape.cell_bytes) {
    case 1:
        ref_loop(&r, p->op, max_steps, 1);
        break;
    case 2:
        ref_loop(&r, p->op, max_steps, 2);
        break;
    case 4:
        ref_loop(&r, p->op, max_steps, 4);
        break;
    case 8:
        ref_loop(&r, p->op, max_steps, 8);
        break;
    }
    rt->end_pointer = r.pointer;
    rt_flush(rt);
}

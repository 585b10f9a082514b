/* lanes.c: pointers modulo strides; see lanes.h.
 *
 * The analysis of congruences (Granger, "Static Analysis of Arithmetical Congruences", 1989) with
 * an origin instead of 0: a forward data-flow analysis from the optimistic side.  Where a phi's
 * operands have one origin, their distances agree modulo the greatest common divisor of their
 * moduli and the difference of their distances.  Moduli only get smaller, to divisors of
 * themselves, and at 1 the phi becomes an origin itself, so this ends; after LANES_SWEEPS sweeps
 * all phis are made origins, which is always right. */
#include "passes/lanes.h"

#include "passes/cells.h"
#include "runtime/alloc.h"

#define LANES_SWEEPS 8

static uint64_t gcd(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static uint64_t distance(int64_t a, int64_t b) {
    return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* The remainder stands for the distance. */
static struct lane reduced(struct lane x) {
    if (x.mod != 0 && x.mod <= INT64_MAX) {
        int64_t m = (int64_t)x.mod, r = x.off % m;
        x.off = r < 0 ? r + m : r;
    }
    return x;
}

static struct lane origin(value v) {
    return (struct lane){v, 0, 0};
}

static struct lane moved(struct lane x, int64_t k) {
    x.off = cells_add(x.off, k);
    return reduced(x);
}

/* x, some times the stride further. */
static struct lane scanned(struct lane x, value v, int64_t stride) {
    x.mod = gcd(x.mod, distance(stride, 0));
    return x.mod == 1 ? origin(v) : reduced(x);
}

/* Both; no origin: not yet known. */
static struct lane met(struct lane x, struct lane y, value phi) {
    if (!x.origin.i || !y.origin.i)
        return x.origin.i ? x : y;
    if (!same_value(x.origin, y.origin))
        return origin(phi);
    x.mod = gcd(gcd(x.mod, y.mod), distance(x.off, y.off));
    return x.mod == 1 ? origin(phi) : reduced(x);
}

static struct lane transfer(const struct lanes *l, value v, bool last) {
    const struct insn *in = ir_at(l->f, v);
    switch ((int)in->op) {
    case OP_MOVE:
        return moved(l->at[in->a.i], in->imm);
    case OP_SCAN:
        return l->at[in->a.i].origin.i ? scanned(l->at[in->a.i], v, in->stride) : origin(v);
    case OP_PHI:
        if (last || same_value(l->at[v.i].origin, v)) /* once an origin, it stays one */
            return origin(v);
        return met(l->at[in->a.i], in->b.i ? l->at[in->b.i] : l->at[in->a.i], v);
    default:
        return origin(v);
    }
}

static bool sweep(struct lanes *l, const struct rpo *r, bool last) {
    bool changed = false;
    for (uint32_t i = 0; i < r->n; i++) {
        IR_FOR_INSNS (l->f, r->order[i], v) {
            if (ir_at(l->f, v)->kind != KIND_PTR)
                continue;
            struct lane x = transfer(l, v, last), *old = &l->at[v.i];
            changed |= !same_value(x.origin, old->origin) || x.off != old->off || x.mod != old->mod;
            *old = x;
        }
    }
    return changed;
}

void lanes_make(struct lanes *l, struct func *f, const struct rpo *r) {
    *l = (struct lanes){.f = f, .n = f->ninsn};
    l->at = xcalloc(f->ninsn, sizeof *l->at);
    unsigned n = 0;
    while (n < LANES_SWEEPS && sweep(l, r, false))
        n++;
    if (n == LANES_SWEEPS)
        sweep(l, r, true);
}

void lanes_free(struct lanes *l) {
    xfree(l->at);
}

struct lane lanes_of(const struct lanes *l, value p, int64_t k) {
    uint64_t mod = 0;
    p = ir_resolve(l->f, p);
    for (; p.i >= l->n || !l->at[p.i].origin.i; p = ir_resolve(l->f, ir_at(l->f, p)->a)) {
        const struct insn *in = ir_at(l->f, p);
        if (in->op == OP_MOVE)
            k = cells_add(k, in->imm);
        else if (in->op == OP_SCAN)
            mod = gcd(mod, distance(in->stride, 0));
        else
            return (struct lane){p, k, mod};
    }
    struct lane x = l->at[p.i];
    x.mod = gcd(x.mod, mod);
    return moved(x, k);
}

bool lanes_apart(const struct lanes *l, value p, int64_t k, int64_t step, value q, int64_t j) {
    uint64_t stride = distance(step, 0), mod = stride;
    if (!same_value(ir_resolve(l->f, p), ir_resolve(l->f, q))) {
        struct lane x = lanes_of(l, p, k), y = lanes_of(l, q, j);
        if (!same_value(x.origin, y.origin))
            return false;
        mod = gcd(gcd(x.mod, y.mod), stride);
        k = x.off;
        j = y.off;
    }
    return mod == 0 ? k != j : distance(k, j) % mod != 0;
}

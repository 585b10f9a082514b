/* generate.c: random programs, valid by construction and weighted towards what optimizers rewrite.
 *
 * Most pieces are balanced (the pointer comes back) and most loops count down, so that most
 * programs end; the caller finds out with the reference interpreter and drops the others. */
#include "tests/fuzz/generate.h"

#include <stdbool.h>

#include "runtime/text.h"

#define MAX_DEPTH 5

uint64_t rng_next(struct rng *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *r, uint32_t n) {
    return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

static int pick(struct rng *r, const int *from, unsigned n) {
    return from[rng_below(r, n)];
}

static void repeat(struct text *out, char c, int n) {
    for (; n > 0; n--)
        text_char(out, c);
}

static void move(struct text *out, int n) {
    repeat(out, n > 0 ? '>' : '<', n > 0 ? n : -n);
}

static void add(struct text *out, int n) {
    repeat(out, n > 0 ? '+' : '-', n > 0 ? n : -n);
}

/* Mostly one or two cells, now and then as far as encodings change their form. */
static int distance(struct rng *r) {
    static const int near[] = {1, 1, 1, 1, 2, 2, 3, 4, 5, 9};
    static const int far[] = {16, 31, 64, 127, 128, 129, 200};
    int d = rng_below(r, 60) == 0 ? pick(r, far, 7) : pick(r, near, 10);
    return rng_below(r, 2) ? d : -d;
}

static int amount(struct rng *r) {
    static const int small[] = {1, 1, 1, 1, 2, 2, 3, 4, 5, 7, 10};
    static const int large[] = {16, 48, 100, 127, 128, 129, 255, 256, 257};
    int a = rng_below(r, 12) == 0 ? pick(r, large, 9) : pick(r, small, 11);
    return rng_below(r, 3) ? a : -a;
}

static void clear_cell(struct text *out, struct rng *r) {
    static const char *const how[] = {"[-]", "[-]", "[-]", "[+]", "[---]", "[+++++]", "[--]"};
    text_put(out, how[rng_below(r, 7)]);
}

/* [->+>++<<]: a counting loop whose body adds to a few cells around; counted first or last. */
static void multiply(struct text *out, struct rng *r) {
    static const int steps[] = {-1, -1, -1, -1, 1, -2, -3, 2, 3, -5};
    int step = pick(r, steps, 10), at = 0;
    bool first = rng_below(r, 2) != 0;
    if (rng_below(r, 3))
        add(out, 1 + (int)rng_below(r, 9));
    text_char(out, '[');
    if (first)
        add(out, step);
    for (unsigned n = rng_below(r, 4); n > 0; n--) {
        int d = distance(r);
        if (at + d == 0)
            continue;
        move(out, d);
        at += d;
        if (rng_below(r, 6) == 0)
            clear_cell(out, r);
        if (rng_below(r, 8))
            add(out, amount(r));
    }
    move(out, -at);
    if (!first)
        add(out, step);
    text_char(out, ']');
}

static void scan(struct text *out, struct rng *r) {
    static const int stride[] = {1, 1, 1, 2, 2, 3, 4, 7, 9};
    int s = pick(r, stride, 9);
    text_char(out, '[');
    if (rng_below(r, 8) == 0)
        add(out, -1);
    move(out, rng_below(r, 2) ? s : -s);
    text_char(out, ']');
}

static void pieces(struct text *out, struct rng *r, unsigned n, unsigned depth);

/* +++[- ... ]: a loop that counts while its body comes back. */
static void nest(struct text *out, struct rng *r, unsigned size, unsigned depth) {
    if (rng_below(r, 2))
        add(out, 1 + (int)rng_below(r, 4));
    text_char(out, '[');
    bool first = rng_below(r, 2) != 0;
    if (first)
        text_char(out, '-');
    int d = distance(r);
    move(out, d);
    pieces(out, r, size, depth + 1);
    move(out, -d);
    if (!first)
        text_char(out, '-');
    text_char(out, ']');
}

/* [[-]...]: runs at most once. */
static void condition(struct text *out, struct rng *r, unsigned size, unsigned depth) {
    int d = distance(r);
    text_char(out, '[');
    if (rng_below(r, 2)) {
        clear_cell(out, r);
        move(out, d);
        pieces(out, r, size, depth + 1);
        move(out, -d);
    } else {
        move(out, d);
        pieces(out, r, size, depth + 1);
        move(out, -d);
        clear_cell(out, r);
    }
    text_char(out, ']');
}

/* Anything between brackets; may well run for ever. */
static void wild(struct text *out, struct rng *r, unsigned size, unsigned depth) {
    text_char(out, '[');
    pieces(out, r, size, depth + 1);
    text_char(out, ']');
}

static void piece(struct text *out, struct rng *r, unsigned size, unsigned depth) {
    unsigned inner = depth < MAX_DEPTH && size > 1 ? 1 + rng_below(r, size) : 0;
    switch (rng_below(r, inner ? 24 : 18)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        add(out, amount(r));
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        move(out, distance(r));
        break;
    case 9:
    case 10:
        text_char(out, '.');
        break;
    case 11:
        text_char(out, ',');
        break;
    case 12:
    case 13:
        clear_cell(out, r);
        break;
    case 14:
    case 15:
    case 16:
        multiply(out, r);
        break;
    case 17:
        scan(out, r);
        break;
    case 18:
    case 19:
    case 20:
        nest(out, r, inner, depth);
        break;
    case 21:
    case 22:
        condition(out, r, inner, depth);
        break;
    default:
        wild(out, r, inner, depth);
        break;
    }
}

static void pieces(struct text *out, struct rng *r, unsigned n, unsigned depth) {
    for (; n > 0; n--)
        piece(out, r, n, depth);
}

void generate_program(struct text *out, struct rng *r, unsigned size) {
    if (rng_below(r, 8))
        move(out, 4 + (int)rng_below(r, 16));
    pieces(out, r, 1 + rng_below(r, size), 0);
    if (rng_below(r, 2)) /* look at a few cells, so that what was computed is seen */
        text_put(out, ".>.>.<<<.");
}

size_t generate_input(uint8_t *out, size_t n, struct rng *r) {
    size_t len = rng_below(r, (uint32_t)n + 1);
    for (size_t i = 0; i < len; i++) {
        uint32_t k = rng_below(r, 8);
        out[i] = k == 0 ? 0 : k == 1 ? 255 : k == 2 ? 1 : (uint8_t)rng_next(r);
    }
    return len;
}

/* generate.c: random programs, valid by construction and weighted towards what optimizers rewrite.
 *
 * Most pieces are balanced (the pointer comes back) and most loops count down, so that most
 * programs end; the caller finds out with the reference interpreter and drops the others.  What a
 * program is likely to contain is decided anew for each (its mood), as in YARPGen's generation
 * policies (Livinskii, Babokin & Regehr, OOPSLA 2020): programs that are all scans, all nests or
 * all input meet more rewrites than programs with a little of everything. */
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
    static const int far[] = {16, 31, 63, 64, 65, 127, 128, 129, 200, 255, 256, 1000};
    int d = rng_below(r, 60) == 0 ? pick(r, far, 12) : pick(r, near, 10);
    if (rng_below(r, 20000) == 0) /* seldom: it makes long programs */
        d = 32766 + (int)rng_below(r, 4);
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
    static const int stride[] = {1, 1, 1, 1, 2, 2,  2,  3,  3,  4, 4,
                                 5, 6, 7, 8, 9, 10, 12, 15, 16, 17};
    int s = pick(r, stride, 21);
    text_char(out, '[');
    if (rng_below(r, 8) == 0)
        add(out, -1);
    move(out, rng_below(r, 2) ? s : -s);
    text_char(out, ']');
}

struct mood;
static void pieces(struct text *out, struct rng *r, const struct mood *m, unsigned n,
                   unsigned depth);
static void piece(struct text *out, struct rng *r, const struct mood *m, unsigned size,
                  unsigned depth);

/* +++[- ... ]: a loop that counts while its body comes back. */
static void nest(struct text *out, struct rng *r, const struct mood *m, unsigned size,
                 unsigned depth) {
    if (rng_below(r, 2))
        add(out, 1 + (int)rng_below(r, 4));
    text_char(out, '[');
    bool first = rng_below(r, 2) != 0;
    if (first)
        text_char(out, '-');
    int d = distance(r);
    move(out, d);
    pieces(out, r, m, size, depth + 1);
    move(out, -d);
    if (!first)
        text_char(out, '-');
    text_char(out, ']');
}

/* [[-]...]: runs at most once. */
static void condition(struct text *out, struct rng *r, const struct mood *m, unsigned size,
                      unsigned depth) {
    int d = distance(r);
    text_char(out, '[');
    if (rng_below(r, 2)) {
        clear_cell(out, r);
        move(out, d);
        pieces(out, r, m, size, depth + 1);
        move(out, -d);
    } else {
        move(out, d);
        pieces(out, r, m, size, depth + 1);
        move(out, -d);
        clear_cell(out, r);
    }
    text_char(out, ']');
}

/* Anything between brackets; may well run for ever. */
static void wild(struct text *out, struct rng *r, const struct mood *m, unsigned size,
                 unsigned depth) {
    text_char(out, '[');
    pieces(out, r, m, size, depth + 1);
    text_char(out, ']');
}

/* Idioms of people who write Brainfuck: division, if and else, comparison, copies, rows of cells.
 */
static void idiom(struct text *out, struct rng *r) {
    static const char *const known[] = {
        "[->+>-[>+>>]>[+[-<+>]>+>>]<<<<<]",       /* n d: n divided by d */
        "[->-[>+>>]>[+[-<+>]>+>>]<<<<<]",         /* the same without the copy */
        "[->+<]>[-<+>]<",                         /* there and back */
        "[->+>+<<]>>[-<<+>>]<<",                  /* copy */
        ">[-]<[->+<]",                            /* move to a cleared cell */
        ">+<[[-]>-<]>[-<+>]<",                    /* not */
        "[>+>+<<-]>>[<<+>>-]+<[[-]>-<]>[-]",      /* copy, then if zero */
        "[->[->+>+<<]>>[-<<+>>]<<<]>[-]<",        /* product */
        "[>[>+>+<<-]>>[<<+>>-]<<<-]",             /* the same, counted last */
        "[[->+<]>]",                              /* carry along a row */
        "[[->>>+<<<]>>>]",                        /* the same, by threes */
        "[>>[->+<]<<-]",                          /* a move inside a count */
        "[-<[-]>]",                               /* a clear in a loop */
        "[>]<[<]>",                               /* to the end and back */
        "[[>]+<[<]>-]",                           /* appends to a row */
        "[>[-]>[-]<<[->+>+<<]>-]",                /* clears, then copies */
        "+[>[<-]<[->+<]>]<[-]",                   /* branches inside a loop */
        "[-]>[-]>[-]>[-]>[-]>[-]>[-]>[-]<<<<<<<", /* a row of clears */
        "+>+>+>+>+>+>+>+<<<<<<<",                 /* a row of sums */
        "[->>>>>>>>+<<<<<<<<]>>>>>>>>[-<<<<<<<<+>>>>>>>>]<<<<<<<<",
        "++++++++[->++++++++[->++++<]<]>>.<<", /* a number, made */
        ",[->+<]>.<",
        "[.-]",
        "[,.]",
        ">,[>,]<[.<]",
        "[-]+[-[-]]",
        "[-][+.,>]", /* never reached */
        "[-[-[-[-[-]]]]]",
        /* Decisions on a digit, along a row: doubling, with and without a carry. */
        "[[-[<++>-[<++>-[<[-]>-[<++>-]>>[<+<]>[->]<++<<]]]]<+<<]>",
        "[[-[<++>-[<++>-[<++>-[<[-]>-[<++>-]]]]]]<+<<]>",
        "[-[>+<-[>++<-[>+++>+<<-[>[-]<-[-]]]]]>]",
        "[[->+<[->++<[->+++<[-]]]]>>]",
        "[[]]",
        "[<>]",
        "-[-]",
        "--[----->+<]>", /* a constant by wrapping */
        "+[----->+++<]>",
        "[->++++++++++<]>[->+>+<<]>>[-<<+>>]<",
    };
    text_put(out, known[rng_below(r, sizeof known / sizeof *known)]);
}

/* A row of the same short thing. */
static void row(struct text *out, struct rng *r) {
    static const char *const what[] = {"[-]", "+", "-", ".", ",", "[-]+", "+.", "++", "[->+<]"};
    const char *s = what[rng_below(r, 9)];
    int stride = rng_below(r, 5) ? 1 : 1 + (int)rng_below(r, 4), n = 2 + (int)rng_below(r, 14);
    bool back = rng_below(r, 2) != 0;
    if (rng_below(r, 4) == 0)
        stride = -stride;
    for (int i = 0; i < n; i++) {
        text_put(out, s);
        move(out, stride);
    }
    if (back)
        move(out, -n * stride);
}

/* ---- records: cells in lanes, and loops that walk along them ---- */

/* Something done to a record or its neighbour; the pointer comes back. */
static void field(struct text *out, struct rng *r, int s) {
    static const char *const what[] = {"+", "-", "[-]", "[-]+", ".", "++"};
    int at = (int)rng_below(r, (uint32_t)(3 * s + 1)) - s;
    move(out, at);
    if (rng_below(r, 3) == 0) { /* moved to another place */
        const int by[] = {s, -s, 1, -1, 2, s + 1};
        int d = pick(r, by, 6);
        text_put(out, "[-");
        move(out, d);
        text_char(out, rng_below(r, 4) ? '+' : '-');
        move(out, -d);
        text_char(out, ']');
    } else {
        text_put(out, what[rng_below(r, 6)]);
    }
    move(out, -at);
}

static void along_records(struct text *out, struct rng *r, int s, unsigned depth) {
    int step = rng_below(r, 2) ? s : -s;
    uint32_t kind = rng_below(r, 10);
    if (kind < 3) {
        move(out, rng_below(r, 8) ? step : 1 - step);
        return;
    }
    text_char(out, '[');
    for (unsigned n = kind < 6 ? 0 : rng_below(r, 4); n > 0; n--) {
        if (depth < 2 && rng_below(r, 4) == 0)
            along_records(out, r, s, depth + 1);
        else
            field(out, r, s);
    }
    move(out, step);
    text_char(out, ']');
}

static void records(struct text *out, struct rng *r) {
    static const int strides[] = {1, 2, 2, 3, 4, 5, 9};
    int s = pick(r, strides, 7);
    unsigned n = 2 + rng_below(r, 8);
    move(out, s);
    for (unsigned k = 0; k < n; k++) {
        if (rng_below(r, 5))
            add(out, 1 + (int)rng_below(r, 2));
        if (rng_below(r, 2))
            field(out, r, s);
        move(out, s);
    }
    move(out, -s * (int)rng_below(r, n + 1));
    for (unsigned k = 3 + rng_below(r, 8); k > 0; k--)
        along_records(out, r, s, 0);
}

/* ---- digits: decisions on a cell, and walks over cells that are 0 or not ---- */

/* [-[-[...]]] with something done in a cell nearby at each depth: a choice by the value here. */
static void decision(struct text *out, struct rng *r, unsigned depth, int s) {
    static const char *const what[] = {"+", "-", "++", "[-]", "[-]+", "[->+<]"};
    unsigned open = 0;
    for (unsigned n = 0; n < depth; n++, open++) {
        text_put(out, rng_below(r, 8) ? "[-" : "[->>[-]>+<<<");
        int d = rng_below(r, 3) ? 1 : (int)rng_below(r, (uint32_t)(2 * s + 2)) - s;
        if (d == 0)
            continue;
        move(out, d);
        text_put(out, what[rng_below(r, 6)]);
        move(out, -d);
    }
    for (; open > 0; open--) {
        if (rng_below(r, 6) == 0)
            text_put(out, rng_below(r, 2) ? ">+<" : "<-->");
        text_char(out, ']');
    }
}

/* A row of digits, each with a mark beside it or not, and a loop along it that decides on each. */
static void digits(struct text *out, struct rng *r) {
    int s = 1 + (int)rng_below(r, 4), at = rng_below(r, 2) && s > 1 ? 1 : 0;
    unsigned n = 1 + rng_below(r, 6);
    for (unsigned k = 0; k < n; k++) {
        move(out, s);
        if (at != 0)
            text_char(out, '+');
        move(out, at);
        add(out, (int)rng_below(r, 8));
        move(out, -at);
    }
    int step = rng_below(r, 4) ? -s : s;
    if (step > 0)
        move(out, -s * (int)rng_below(r, n));
    text_char(out, '[');
    move(out, at);
    for (unsigned k = 1 + rng_below(r, 2); k > 0; k--)
        decision(out, r, 1 + rng_below(r, 6), s);
    move(out, step - at);
    text_char(out, ']');
}

/* [->>>>+<<<<] at the cell `at` from here. */
static void haul(struct text *out, int at, int step) {
    move(out, at);
    text_put(out, "[-");
    move(out, step);
    text_char(out, '+');
    move(out, -step);
    text_char(out, ']');
    move(out, -at);
}

/* A loop that counts in cells: along those that are set and back, carrying. */
static void counter(struct text *out, struct rng *r) {
    static const int strides[] = {1, 2, 2, 2, 3, -1, -2, -3};
    int s = pick(r, strides, 8), home = 1 + (int)rng_below(r, 3);
    for (int k = (int)rng_below(r, 4); k > 0; k--) {
        move(out, home + k * s);
        add(out, (int)rng_below(r, 3));
        move(out, -home - k * s);
    }
    add(out, 1 + (int)rng_below(r, 40));
    text_put(out, "[-");
    move(out, home);
    bool is_out = false; /* did the last walk go outwards? */
    for (unsigned n = 2 + rng_below(r, 4); n > 0; n--) {
        int step = is_out ? -s : s;
        is_out = !is_out;
        move(out, rng_below(r, 3) ? step : is_out ? 1 : -1);
        text_char(out, '[');
        switch (rng_below(r, 6)) {
        case 0:
            text_put(out, "[-]");
            break;
        case 1:
            text_put(out, "-");
            break;
        case 2:
            haul(out, 0, step);
            break;
        default:
            break;
        }
        move(out, step);
        text_char(out, ']');
        static const char *const then[] = {"", "", "+", "+", "-", "[-]+", ".", "+++"};
        text_put(out, then[rng_below(r, 8)]);
    }
    move(out, is_out ? -s : 0);
    if (rng_below(r, 2)) {
        text_char(out, '[');
        move(out, -s);
        text_char(out, ']');
    }
    move(out, -home);
    text_char(out, ']');
}

enum kind {
    ADD,
    MOVE,
    OUT,
    IN,
    CLEAR,
    MULTIPLY,
    SCAN,
    IDIOM,
    ROW,
    RECORDS,
    DIGITS,
    COUNTER,
    JOURNEY,
    CHOICES,
    NEST,
    IF,
    WILD,
    NKIND
};

/* How likely each kind is in the program at hand. */
struct mood {
    uint32_t weight[NKIND], sum;
};

static void make_mood(struct mood *m, struct rng *r) {
    static const uint8_t usual[NKIND] = {20, 16, 8, 4, 8, 12, 4, 6, 2, 4, 1, 3, 2, 2, 12, 8, 4};
    m->sum = 0;
    for (unsigned k = 0; k < NKIND; k++) {
        uint32_t f = rng_below(r, 8); /* some are left out, some come much more often */
        m->weight[k] = usual[k] * (f == 0 ? 0u : f == 1 ? 6u : 2u);
        m->sum += m->weight[k];
    }
    m->weight[ADD] += 8;
    m->sum += 8;
}

static enum kind choose(const struct mood *m, struct rng *r) {
    uint32_t at = rng_below(r, m->sum), k = 0;
    while (at >= m->weight[k])
        at -= m->weight[k++];
    return (enum kind)k;
}

/* To memory and back, as in C programs compiled to Brainfuck: a count and cells are taken from
 * record to record, a mark is left in each; then something happens, mostly near; then along the
 * marks back, taking a cell along. */
static void journey(struct text *out, struct rng *r, const struct mood *m, unsigned size,
                    unsigned depth) {
    static const char *const near[] = {
        "",           "<+++>", "<[-]++>",       ">>->[>]>+[-<<<+>>>]<<<<",
        ">[-<<+>>]<", "<,.>",  ">>>>>>+<<<<<<", "[>]",
        "<<<-->>>",   ">>+<<",
    };
    int cells = (int)rng_below(r, 3), mark = cells + 1;
    int step = mark + 1 + (int)rng_below(r, 6), back = rng_below(r, 8) ? -1 : mark - 1;
    if (rng_below(r, 4) == 0)
        step = -step;
    if (rng_below(r, 3))
        add(out, 1 + (int)rng_below(r, 6));
    if (rng_below(r, 3))
        text_put(out, ">+++<");
    text_put(out, "[-");
    for (int i = 0; i <= cells; i++)
        haul(out, i, step);
    move(out, mark + step);
    text_char(out, '+');
    move(out, -mark);
    text_char(out, ']');
    if (depth < MAX_DEPTH && rng_below(r, 3) == 0)
        journey(out, r, m, size, depth + 1);
    else if (rng_below(r, 6) == 0)
        pieces(out, r, m, size, depth + 1);
    else
        text_put(out, near[rng_below(r, 10)]);
    move(out, mark);
    text_put(out, "[-");
    if (rng_below(r, 4))
        haul(out, back - mark, -step);
    move(out, -step);
    text_char(out, ']');
    move(out, -mark);
}

/* What a choice chooses, from its mark (the cell behind the counter), which is not 0: something is
 * done, mostly near; at its end the pointer is `s` further, on a cell that is 0, as a rule. */
static void chosen(struct text *out, struct rng *r, const struct mood *m, int s, int mark,
                   unsigned depth) {
    static const char *const what[] = {"+", "-", "[-]", ".", ",", "[-]+++", "[->+<]", "[>]", "++"};
    add(out, mark);
    move(out, rng_below(r, 12) ? s : 0);
    add(out, rng_below(r, 12) ? -mark : mark);
    for (unsigned n = rng_below(r, 3); n > 0; n--) {
        int d = rng_below(r, 5) ? distance(r) : -2 * s; /* the counter, now and then */
        move(out, d);
        if (depth < MAX_DEPTH && rng_below(r, 8) == 0)
            piece(out, r, m, 2, depth + 1);
        else
            text_put(out, what[rng_below(r, 9)]);
        move(out, -d);
    }
}

/* <<->>-<<[>]>+[...] again and again: choices by one number, as in compiled programs.  Count down,
 * and do something if that made 0. */
static void choices(struct text *out, struct rng *r, const struct mood *m, unsigned depth) {
    static const int strides[] = {1, 1, 1, 1, -1, 2, -3}, steps[] = {-1, -1, -1, 1, 3};
    int s = pick(r, strides, 7), step = pick(r, steps, 5), mark = rng_below(r, 5) ? -1 : 1;
    unsigned n = 4 + rng_below(r, 16);
    move(out, -2 * s);
    if (rng_below(r, 6))
        clear_cell(out, r);
    if (rng_below(r, 6) == 0)
        text_char(out, ',');
    else
        add(out, -step * (int)rng_below(r, n + 2));
    for (unsigned k = 0; k < 2; k++) {
        move(out, s);
        if (rng_below(r, 8))
            clear_cell(out, r);
    }
    for (; n > 0; n--) {
        move(out, -2 * s);
        add(out, rng_below(r, 40) ? step : amount(r));
        move(out, 2 * s);
        add(out, mark);
        move(out, -2 * s);
        text_char(out, '[');
        move(out, s);
        text_char(out, ']');
        move(out, rng_below(r, 60) ? s : -s);
        add(out, -mark);
        text_char(out, '[');
        chosen(out, r, m, s, mark, depth);
        text_char(out, ']');
    }
}

static void piece(struct text *out, struct rng *r, const struct mood *m, unsigned size,
                  unsigned depth) {
    unsigned inner = depth < MAX_DEPTH && size > 1 ? 1 + rng_below(r, size) : 0;
    enum kind k = choose(m, r);
    switch (k >= NEST && inner == 0 ? ADD : k) {
    case ADD:
        add(out, amount(r));
        break;
    case MOVE:
        move(out, distance(r));
        break;
    case OUT:
        text_char(out, '.');
        break;
    case IN:
        text_char(out, ',');
        break;
    case CLEAR:
        clear_cell(out, r);
        break;
    case MULTIPLY:
        multiply(out, r);
        break;
    case SCAN:
        scan(out, r);
        break;
    case IDIOM:
        idiom(out, r);
        break;
    case ROW:
        row(out, r);
        break;
    case RECORDS:
        records(out, r);
        break;
    case DIGITS:
        digits(out, r);
        break;
    case COUNTER:
        counter(out, r);
        break;
    case JOURNEY:
        journey(out, r, m, inner > 1 ? inner : 1, depth);
        break;
    case CHOICES:
        choices(out, r, m, depth);
        break;
    case NEST:
        nest(out, r, m, inner, depth);
        break;
    case IF:
        condition(out, r, m, inner, depth);
        break;
    case WILD:
    case NKIND:
        wild(out, r, m, inner, depth);
        break;
    }
}

static void pieces(struct text *out, struct rng *r, const struct mood *m, unsigned n,
                   unsigned depth) {
    for (; n > 0; n--)
        piece(out, r, m, n, depth);
}

/* One character that is no bracket becomes another: what is nearly an idiom is none. */
static void perturb(struct text *t, struct rng *r) {
    char *c = t->p + rng_below(r, (uint32_t)t->len);
    if (*c != '[' && *c != ']')
        *c = "+-<>."[rng_below(r, 5)];
}

void generate_program(struct text *out, struct rng *r, unsigned size) {
    struct mood m;
    make_mood(&m, r);
    if (rng_below(r, 8))
        move(out, 4 + (int)rng_below(r, 16));
    pieces(out, r, &m, 1 + rng_below(r, size), 0);
    for (unsigned n = out->len > 0 && rng_below(r, 4) == 0 ? 1 + rng_below(r, 3) : 0; n > 0; n--)
        perturb(out, r);
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

/* heat.c: the report of --profile: the hottest loops, and the source with its heat beside it.
 *
 * Samples come by source position, sorted (runtime/profile.h); one sweep over the operations gives
 * each loop its own ones and those of the loops inside it.  Positions of optimized code are those
 * of the operations it comes from, so samples of a loop that was moved, merged or replaced by
 * arithmetic are counted where it stands.
 *
 * The source is shown in rows of a fixed width, so that a program of 13 MB on one line is a
 * program of many rows like any other; only rows with heat, and those beside them, are written.
 */
#include "frontend/heat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/diag.h"
#include "runtime/alloc.h"
#include "runtime/tiers_int.h"

#define HEAT_LOOPS   12    /* that are listed */
#define HEAT_ROWS    16    /* of the source, but those beside them */
#define HEAT_WIDTH   80u   /* bytes of source in a row */
#define HEAT_LITTLE  0.005 /* of all samples: less is no heat */
#define HEAT_SNIPPET 24u

/* A loop that was sampled or counted. */
struct heat_loop {
    uint32_t open, close; /* source positions */
    uint64_t self, total; /* samples */
    uint64_t code;        /* of self, those in machine code and what it called */
    uint64_t rounds, entries, unit_entries;
    const uint32_t *trips; /* NULL: not counted */
};

struct heat {
    struct text *out;
    struct source *s;
    const struct tiers *t;
    const struct profile *p;
    struct heat_style style;
    bool exact;
    uint64_t samples;
    struct heat_loop *loop; /* the listed ones first, after heat_choose */
    uint32_t nloop, loop_cap;
};

/* ---- loops ---- */

static uint64_t heat_of(const struct profile_sample *s) {
    uint64_t n = 0;
    for (int i = 0; i < PROFILE_WHERES; i++)
        n += s->n[i];
    return n;
}

static void heat_add_loop(struct heat *h, const struct heat_loop *l, const struct bf_op *close) {
    struct heat_loop add = *l;
    if (close->kind == T0_CLOSE) {
        const struct tier_loop *c = &h->t->loop[close->arg];
        add.rounds = tiers_rounds(h->t, (uint32_t)close->arg);
        add.entries = h->t->slot[close->arg].entries;
        add.unit_entries = c->unit_entries;
        add.trips = c->trips;
    }
    add.close = close->src;
    if (add.self == 0 && add.entries == 0)
        return;
    h->loop = xgrow(h->loop, &h->loop_cap, (uint64_t)h->nloop + 1, sizeof add);
    h->loop[h->nloop++] = add;
}

/* Gives every loop its samples: one sweep, with the loops around on a stack. */
static void heat_sweep(struct heat *h) {
    struct heat_loop *stack = NULL;
    uint32_t depth = 0, cap = 0, k = 0;
    const struct bf_op *op = h->t->op;
    for (;; op++) {
        if (tiers_is_open(op->kind)) {
            stack = xgrow(stack, &cap, (uint64_t)depth + 1, sizeof *stack);
            stack[depth++] = (struct heat_loop){.open = op->src};
        }
        uint32_t end = op->kind == BF_END ? UINT32_MAX : op[1].src;
        for (; k < h->p->nsample && h->p->sample[k].src < end; k++) {
            const struct profile_sample *s = &h->p->sample[k];
            if (depth == 0)
                continue;
            stack[depth - 1].self += heat_of(s);
            stack[depth - 1].total += heat_of(s);
            stack[depth - 1].code += s->n[PROFILE_CODE] + s->n[PROFILE_CALLED];
        }
        if (op->kind == BF_END)
            break;
        if (tiers_is_close(op->kind)) {
            struct heat_loop done = stack[--depth];
            if (depth != 0)
                stack[depth - 1].total += done.total;
            heat_add_loop(h, &done, op);
        }
    }
    xfree(stack);
}

/* The hottest first: by samples, then by rounds, then by place. */
static int heat_by_heat(const void *a, const void *b) {
    const struct heat_loop *x = a, *y = b;
    if (x->self != y->self)
        return x->self < y->self ? 1 : -1;
    if (x->rounds != y->rounds)
        return x->rounds < y->rounds ? 1 : -1;
    return (x->open > y->open) - (x->open < y->open);
}

/* ---- writing ---- */

static const char *heat_colour(const struct heat *h, double share) {
    if (!h->style.colour)
        return "";
    return share >= 0.2 ? "\033[1;31m" : share >= 0.05 ? "\033[33m" : share > 0 ? "" : "\033[2m";
}

static const char *heat_plain(const struct heat *h) {
    return h->style.colour ? "\033[0m" : "";
}

static double heat_share(const struct heat *h, uint64_t n) {
    return h->samples == 0 ? 0 : (double)n / (double)h->samples;
}

/* Seven columns: " 41.3 %". */
static void heat_percent(struct heat *h, uint64_t n) {
    if (n == 0)
        text_put(h->out, "      -");
    else
        text_fmt(h->out, "%s%5.1f %%%s", heat_colour(h, heat_share(h, n)), 100 * heat_share(h, n),
                 heat_plain(h));
}

/* n with commas between thousands, in `width` columns, and `after`. */
static void heat_number(struct heat *h, uint64_t n, int width, const char *after) {
    char digits[24], commas[32];
    int len = 0, at = 0;
    do
        digits[len++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    for (int i = len - 1; i >= 0; i--) {
        commas[at++] = digits[i];
        if (i != 0 && i % 3 == 0)
            commas[at++] = ',';
    }
    commas[at] = '\0';
    text_fmt(h->out, "%*s%s", width, commas, after);
}

/* Adds one step of eight, of a bar or a histogram. */
static void heat_step(const struct heat *h, struct text *out, unsigned step, bool wide) {
    static const char tall[] = "▁▂▃▄▅▆▇█"; /* three bytes each */
    static const char broad[] = "▏▎▍▌▋▊▉█";
    static const char ascii[] = ".:-=+*%#";
    if (step == 0)
        text_char(out, ' ');
    else if (h->style.utf8)
        text_add(out, (wide ? broad : tall) + (size_t)3 * (step - 1), 3);
    else
        text_char(out, ascii[step - 1]);
}

/* "4..31 ▂█▁": from 4 to 31 rounds an entry, of which 8..15 are the most. */
static void heat_trips(struct heat *h, const struct heat_loop *l) {
    struct text t = {0};
    size_t columns = 0;
    if (l->trips != NULL) {
        unsigned from = 0, to = TIER_TRIPS - 1;
        uint32_t most = 0;
        while (l->trips[from] == 0)
            from++;
        while (l->trips[to] == 0)
            to--;
        for (unsigned i = from; i <= to; i++)
            most = l->trips[i] > most ? l->trips[i] : most;
        text_fmt(&t, "%llu", 1ull << from);
        if (to != 0)
            text_fmt(&t, "..%llu", (2ull << to) - 1);
        text_char(&t, ' ');
        columns = t.len + to - from + 1;
        for (unsigned i = from; i <= to; i++) {
            uint64_t n = l->trips[i];
            heat_step(h, &t, n == 0 ? 0 : 1 + (unsigned)(n * 7 / most), false);
        }
    } else {
        text_char(&t, '-');
        columns = 1;
    }
    text_fmt(h->out, "  %s%*s", t.p, columns < 22 ? (int)(22 - columns) : 0, "");
    text_free(&t);
}

/* The next command at or behind i, before `end`, in steps of `by`. */
static uint32_t heat_command(const struct heat *h, uint32_t i, uint32_t end, uint32_t by) {
    while (i != end && (h->s->text[i] == '\0' || strchr("+-<>[].,", h->s->text[i]) == NULL))
        i += by;
    return i;
}

/* The loop's commands, cut in the middle if they are many. */
static void heat_snippet(struct heat *h, const struct heat_loop *l) {
    uint32_t from = l->open, to = l->close, half = HEAT_SNIPPET / 2;
    struct text tail = {0};
    char back[HEAT_SNIPPET / 2];
    uint32_t n = 0;
    for (uint32_t i = 0; i < half && from <= to; i++, from++) {
        from = heat_command(h, from, to, 1);
        text_char(h->out, (char)h->s->text[from]);
    }
    for (; n < half && from <= to; n++, to--) {
        to = heat_command(h, to, from, UINT32_MAX);
        if (heat_command(h, to, to + 1, 1) != to)
            break; /* only comments were left */
        back[n] = (char)h->s->text[to];
    }
    if (from <= to && heat_command(h, from, to, 1) != to)
        text_put(h->out, "...");
    while (n != 0)
        text_char(&tail, back[--n]);
    text_put(h->out, tail.len == 0 ? "" : tail.p);
    text_free(&tail);
}

static const char *heat_tier(const struct heat_loop *l, char *room, size_t size) {
    if (l->self == 0)
        return "-";
    if (l->code == l->self)
        return "code";
    if (l->code == 0)
        return "interp";
    snprintf(room, size, "%d%% code", (int)(100 * l->code / l->self));
    return room;
}

static void heat_list(struct heat *h) {
    text_put(h->out,
             "\n   self    total  tier            rounds       entries  rounds an entry       "
             " loop\n");
    for (uint32_t i = 0; i < h->nloop && i < HEAT_LOOPS; i++) {
        const struct heat_loop *l = &h->loop[i];
        if (l->self == 0 && h->samples != 0 && !h->exact)
            break;
        char room[24];
        struct position at = source_position(h->s, l->open);
        bool more = l->code != 0 || l->unit_entries != 0;
        heat_percent(h, l->self);
        text_put(h->out, "  ");
        heat_percent(h, l->total);
        text_fmt(h->out, "  %-9s", heat_tier(l, room, sizeof room));
        heat_number(h, l->rounds, 12, more ? "+" : " ");
        heat_number(h, l->entries, 13, more ? "+" : " ");
        heat_trips(h, l);
        text_fmt(h->out, "  %u:%u  ", at.line, at.column);
        heat_snippet(h, l);
        text_char(h->out, '\n');
    }
}

/* ---- the source ---- */

/* A row of the source: part of a line. */
struct heat_row {
    uint32_t from;
    uint64_t n;
};

static uint32_t heat_row_of(struct heat *h, uint32_t src) {
    struct position at = source_position(h->s, src);
    return at.line_start + (at.column - 1) / HEAT_WIDTH * HEAT_WIDTH;
}

/* Where the row that starts at `from` ends. */
static uint32_t heat_row_end(struct heat *h, uint32_t from) {
    uint32_t most = h->s->size - from < HEAT_WIDTH ? h->s->size - from : HEAT_WIDTH;
    const uint8_t *newline = memchr(h->s->text + from, '\n', most);
    return newline == NULL ? from + most : (uint32_t)(newline - h->s->text);
}

/* The source of a row, each run of equal commands in the colour of its samples; k: the row's first
 * sample. */
static void heat_source(struct heat *h, uint32_t from, uint32_t k) {
    const struct profile_sample *s = h->p->sample;
    const char *colour = "";
    uint32_t end = heat_row_end(h, from);
    for (uint32_t i = from; i < end;) {
        bool starts = i == from || h->s->text[i] != h->s->text[i - 1];
        while (k < h->p->nsample && s[k].src < i)
            k++;
        bool here = k < h->p->nsample && s[k].src == i;
        if (h->style.colour && (starts || here)) {
            const char *now = heat_colour(h, here ? heat_share(h, heat_of(&s[k])) : 0);
            if (now != colour)
                text_fmt(h->out, "\033[0m%s", now);
            colour = now;
        }
        i += diag_put_char(h->out, h->s->text + i, h->s->text + end);
    }
    text_fmt(h->out, "%s\n", heat_plain(h));
}

static void heat_write_row(struct heat *h, const struct heat_row *r, uint64_t most) {
    struct position at = source_position(h->s, r->from);
    uint64_t steps = most == 0 ? 0 : (r->n * 48 + most - 1) / most;
    heat_percent(h, r->n);
    text_fmt(h->out, " %s", heat_colour(h, heat_share(h, r->n)));
    for (unsigned i = 0; i < 6; i++, steps -= steps < 8 ? steps : 8)
        heat_step(h, h->out, steps < 8 ? (unsigned)steps : 8, true);
    struct text where = {0};
    text_fmt(&where, "%u", at.line);
    if (at.column != 1)
        text_fmt(&where, ":%u", at.column);
    text_fmt(h->out, "%s %11s | ", heat_plain(h), where.p);
    text_free(&where);
    uint32_t low = 0, high = h->p->nsample;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (h->p->sample[middle].src < r->from)
            low = middle + 1;
        else
            high = middle;
    }
    heat_source(h, r->from, low);
}

static int heat_rows_by_heat(const void *a, const void *b) {
    const struct heat_row *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : (x->from > y->from) - (x->from < y->from);
}

static int heat_rows_by_place(const void *a, const void *b) {
    const struct heat_row *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

/* Adds the rows before and behind those of row[0 .. n), without heat if they have none listed. */
static uint32_t heat_neighbours(struct heat *h, struct heat_row *row, uint32_t n) {
    uint32_t all = n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = row[i].from, end = heat_row_end(h, from);
        if (from > h->s->start)
            row[all++] = (struct heat_row){.from = heat_row_of(h, from - 1)};
        if (end + 1 < h->s->size)
            row[all++] = (struct heat_row){.from = h->s->text[end] == '\n' ? end + 1 : end};
    }
    return all;
}

/* Gives the rows, sorted by place and each there once afterwards, their samples. */
static uint32_t heat_merge(struct heat_row *row, uint32_t n) {
    qsort(row, n, sizeof *row, heat_rows_by_place);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (kept != 0 && row[kept - 1].from == row[i].from)
            row[kept - 1].n += row[i].n;
        else
            row[kept++] = row[i];
    }
    return kept;
}

static void heat_listing(struct heat *h) {
    struct heat_row *row = xalloc((size_t)h->p->nsample + 2 * HEAT_ROWS, sizeof *row);
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->p->nsample; i++)
        row[n++] =
            (struct heat_row){heat_row_of(h, h->p->sample[i].src), heat_of(&h->p->sample[i])};
    n = heat_merge(row, n);
    qsort(row, n, sizeof *row, heat_rows_by_heat);
    uint64_t most = n == 0 ? 0 : row[0].n;
    uint32_t shown = 0;
    while (shown < n && shown < HEAT_ROWS && heat_share(h, row[shown].n) >= HEAT_LITTLE)
        shown++;
    uint32_t cold = n - shown; /* rows with little heat may be neighbours: kept behind */
    struct heat_row *little = row + shown, *list = xalloc((size_t)shown * 3 + 1, sizeof *list);
    memcpy(list, row, shown * sizeof *list);
    uint32_t all = heat_merge(list, heat_neighbours(h, list, shown));
    qsort(little, cold, sizeof *little, heat_rows_by_place);
    text_put(h->out, "\n   heat            line   source\n");
    for (uint32_t i = 0; i < all; i++) {
        const struct heat_row *found =
            bsearch(&list[i], little, cold, sizeof *little, heat_rows_by_place);
        if (found != NULL)
            list[i].n += found->n;
        if (i != 0 && list[i].from > heat_row_end(h, list[i - 1].from) + 1)
            text_put(h->out, "                     ...\n");
        heat_write_row(h, &list[i], most);
    }
    xfree(list);
    xfree(row);
}

/* ---- all of it ---- */

static void heat_title(struct heat *h) {
    const uint64_t *n = h->p->n;
    text_fmt(h->out, "%s: %.3f s of processor time in the run, %llu sample%s", h->s->name,
             h->p->seconds, (unsigned long long)h->samples, h->samples == 1 ? "" : "s");
    if (h->samples != 0)
        text_fmt(h->out,
                 ": %.1f %% in machine code, %.1f %% interpreting, %.1f %% in input and output",
                 100 * heat_share(h, n[PROFILE_CODE]), 100 * heat_share(h, n[PROFILE_TIER0]),
                 100 * heat_share(h, n[PROFILE_CALLED]));
    if (n[PROFILE_COMPILING] != 0)
        text_fmt(h->out, ", %.1f %% compiling", 100 * heat_share(h, n[PROFILE_COMPILING]));
    text_fmt(h->out, "\n%u loop%s ran, %u unit%s of them compiled", h->t->nloop,
             h->t->nloop == 1 ? "" : "s", h->t->stats->units, h->t->stats->units == 1 ? "" : "s");
    if (h->p->lost != 0)
        text_fmt(h->out, "; %llu samples at places too many are not listed",
                 (unsigned long long)h->p->lost);
    text_put(h->out,
             h->exact ? "\nShares of time are sampled, of a run that was interpreted; rounds and "
                        "entries are exact.\n"
                      : "\nShares of time are sampled.  Rounds and entries are exact while a loop "
                        "is interpreted;\n+: there were more, in machine code (--profile=exact "
                        "counts all, and is slower).\n");
}

struct heat_style heat_style(void) {
    const char *none = getenv("NO_COLOR"), *locale = getenv("LC_ALL");
    if (locale == NULL || *locale == '\0')
        locale = getenv("LC_CTYPE");
    if (locale == NULL || *locale == '\0')
        locale = getenv("LANG");
    return (struct heat_style){.colour = isatty(STDERR_FILENO) && (none == NULL || *none == '\0'),
                               .utf8 = locale != NULL && (strstr(locale, "UTF-8") != NULL ||
                                                          strstr(locale, "utf8") != NULL)};
}

void heat_report(struct text *out, const struct tiers *t, struct source *s, enum profile_mode mode,
                 struct heat_style style) {
    struct heat h = {.out = out,
                     .s = s,
                     .t = t,
                     .p = t->profile,
                     .style = style,
                     .exact = mode == PROFILE_EXACT};
    for (int i = 0; i < PROFILE_WHERES; i++)
        h.samples += h.p->n[i];
    heat_sweep(&h);
    if (h.nloop != 0)
        qsort(h.loop, h.nloop, sizeof *h.loop, heat_by_heat);
    heat_title(&h);
    if (h.nloop != 0)
        heat_list(&h);
    if (h.samples != 0)
        heat_listing(&h);
    xfree(h.loop);
}

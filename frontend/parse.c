/* parse.c: one pass over the bytes of a program.
 *
 * A table tells what each byte is; comments are passed in a tight loop that ends at the NUL behind
 * the text, so that it needs no test for the text's end, and of a run of one character eight bytes
 * are compared at once: in what compilers to Brainfuck write nine of ten bytes are in such runs.
 * The array of operations starts with room for a program without runs or comments, of which the
 * pages never touched cost nothing, and is cut to its length at the end.
 * The text may change while it is read (a mapped file that somebody writes to): the result is then
 * some program or an error, but nothing is relied on that was seen in the text before.
 * The stack of open brackets costs no memory of its own: while an OPEN waits for its CLOSE, its
 * argument links to the OPEN around it.
 */
#include "frontend/parse.h"

#include <stddef.h>
#include <string.h>

#include "runtime/alloc.h"

enum char_class { C_COMMENT, C_ADD, C_MOVE, C_IN, C_OUT, C_OPEN, C_CLOSE, C_STOP, C_HASH, C_BANG };

/* No OPEN around: the end of the chain. */
#define PARSE_NONE (-1)

struct parser {
    const uint8_t *text, *end;
    struct bf_op *op;
    uint32_t nop, room;
    int32_t open; /* innermost OPEN that waits, or PARSE_NONE */
    uint32_t depth, max_depth;
    uint64_t total_moves;
    bool one_by_one, seen_in;
    bool unmatched; /* stopped at a `]` that closes nothing */
    uint8_t class[256];
};

static void parse_classes(struct parser *s, const struct parse_options *options) {
    s->class['+'] = s->class['-'] = C_ADD;
    s->class['>'] = s->class['<'] = C_MOVE;
    s->class[','] = C_IN;
    s->class['.'] = C_OUT;
    s->class['['] = C_OPEN;
    s->class[']'] = C_CLOSE;
    s->class['\0'] = C_STOP;
    if (options->hash)
        s->class['#'] = C_HASH;
    if (options->bang)
        s->class['!'] = C_BANG;
}

/* Room for one operation a byte and the END, or whatever there is memory for at first. */
static void parse_room(struct parser *s, uint32_t bytes) {
    s->op = xalloc_if((size_t)bytes + 1, sizeof *s->op);
    s->room = s->op != NULL ? bytes + 1 : 0;
}

static inline void parse_push(struct parser *s, enum bf_kind kind, int32_t arg, const uint8_t *at) {
    if (__builtin_expect(s->nop == s->room, 0))
        s->op = xgrow(s->op, &s->room, (uint64_t)s->nop + 1, sizeof *s->op);
    s->op[s->nop++] = (struct bf_op){.kind = kind, .arg = arg, .src = (uint32_t)(at - s->text)};
}

/* How many bytes from p on are c. */
static inline uint32_t parse_same(const uint8_t *p, const uint8_t *end, uint8_t c) {
    const uint8_t *first = p;
    const uint64_t all = c * UINT64_C(0x0101010101010101);
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        if (word == all)
            continue;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        return (uint32_t)(p - first) + (uint32_t)__builtin_ctzll(word ^ all) / 8;
#else
        return (uint32_t)(p - first) + (uint32_t)__builtin_clzll(word ^ all) / 8;
#endif
    }
    while (p < end && *p == c)
        p++;
    return (uint32_t)(p - first);
}

/* A run of the two characters of one class, with comments between; returns what follows it.  The
 * sum fits: a program has at most INT32_MAX bytes. */
static inline const uint8_t *parse_run(struct parser *s, const uint8_t *p, enum bf_kind kind,
                                       enum char_class class, uint8_t up) {
    const uint8_t *first = p;
    int32_t sum = 0;
    if (s->one_by_one) {
        sum = *p++ == up ? 1 : -1;
    } else {
        for (;;) {
            uint8_t c = *p;
            if (s->class[c] == class) {
                uint32_t n = parse_same(p, s->end, c);
                sum += c == up ? (int32_t)n : -(int32_t)n;
                p += n;
            } else if (s->class[c] == C_COMMENT || (s->class[c] == C_STOP && p != s->end)) {
                p++;
            } else {
                break;
            }
        }
    }
    if (kind == BF_MOVE) {
        s->total_moves += (uint64_t)(sum < 0 ? -sum : sum);
        if (sum == 0)
            return p;
    }
    parse_push(s, kind, sum, first);
    return p;
}

static void parse_open(struct parser *s, const uint8_t *p) {
    int32_t outer = s->open;
    s->open = (int32_t)s->nop;
    parse_push(s, BF_OPEN, outer, p);
    if (++s->depth > s->max_depth)
        s->max_depth = s->depth;
}

/* False: there is nothing to close. */
static bool parse_close(struct parser *s, const uint8_t *p) {
    if (s->open == PARSE_NONE)
        return false;
    int32_t open = s->open;
    s->open = s->op[open].arg;
    s->op[open].arg = (int32_t)s->nop;
    parse_push(s, BF_CLOSE, open, p);
    s->depth--;
    return true;
}

/* Parses from p on; returns where it stopped: the end, a `!`, or a `]` that closes nothing. */
static const uint8_t *parse_text(struct parser *s, const uint8_t *p) {
    for (;;) {
        switch ((enum char_class)s->class[*p]) {
        case C_COMMENT:
            do
                p++;
            while (s->class[*p] == C_COMMENT);
            continue;
        case C_ADD:
            p = parse_run(s, p, BF_ADD, C_ADD, '+');
            continue;
        case C_MOVE:
            p = parse_run(s, p, BF_MOVE, C_MOVE, '>');
            continue;
        case C_IN:
            s->seen_in = true;
            parse_push(s, BF_IN, 0, p++);
            continue;
        case C_OUT:
            parse_push(s, BF_OUT, 0, p++);
            continue;
        case C_OPEN:
            parse_open(s, p++);
            continue;
        case C_CLOSE:
            if (!parse_close(s, p)) {
                s->unmatched = true;
                return p;
            }
            p++;
            continue;
        case C_STOP:
            if (p == s->end)
                return p;
            p++; /* A NUL in the text is a comment. */
            continue;
        case C_HASH:
            parse_push(s, BF_HASH, 0, p++);
            continue;
        case C_BANG:
            if (s->depth == 0 && s->seen_in)
                return p;
            p++;
            continue;
        }
    }
}

/* Describes the `[`s that wait for a partner at the end. */
static void parse_unclosed(const struct parser *s, struct parse_result *r) {
    int32_t i = s->open;
    while (s->op[i].arg != PARSE_NONE)
        i = s->op[i].arg;
    r->error = PARSE_UNMATCHED_OPEN;
    r->at = s->op[i].src;
    r->count = s->depth;
}

struct parse_result parse_program(struct program *p, const uint8_t *text, uint32_t start,
                                  uint32_t size, const struct parse_options *options) {
    struct parser s = {
        .text = text, .end = text + size, .open = PARSE_NONE, .one_by_one = options->one_by_one};
    parse_classes(&s, options);
    parse_room(&s, size - start);
    const uint8_t *stop = parse_text(&s, text + start);
    struct parse_result r = {.error = PARSE_OK, .end = (uint32_t)(stop - text)};
    *p = (struct program){0};
    if (s.unmatched) {
        r.error = PARSE_UNMATCHED_CLOSE;
        r.at = r.end;
    } else if (s.open != PARSE_NONE) {
        parse_unclosed(&s, &r);
    }
    if (r.error != PARSE_OK) {
        xfree(s.op);
        return r;
    }
    parse_push(&s, BF_END, 0, stop);
    s.op = xrealloc(s.op, s.nop, sizeof *s.op);
    *p = (struct program){
        .op = s.op, .nop = s.nop, .max_depth = s.max_depth, .total_moves = s.total_moves};
    return r;
}

void program_free(struct program *p) {
    xfree(p->op);
    *p = (struct program){0};
}

/* reduce.c: delta debugging (Zeller & Hildebrandt, 2002) that knows brackets.
 *
 *   >>>>+++[->[-<+>]<]>.   =>   +[>.<-]      (say)
 *
 * Three kinds of steps, repeated while any succeeds: drop a stretch of commands (halving its
 * length), drop a loop with its body, drop only the two brackets around a body. */
#include "tests/fuzz/reduce.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/alloc.h"
#include "runtime/text.h"

struct reducer {
    struct text *best;
    char *trial;
    reduce_test *test;
    void *arg;
};

static bool balanced(const char *p, size_t n) {
    size_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '[')
            depth++;
        if (p[i] == ']' && depth-- == 0)
            return false;
    }
    return depth == 0;
}

/* Keeps the trial of length n if it is a program that still fails. */
static bool accept(struct reducer *r, size_t n) {
    r->trial[n] = 0;
    if (!balanced(r->trial, n) || !r->test(r->trial, n, r->arg))
        return false;
    memcpy(r->best->p, r->trial, n + 1);
    r->best->len = n;
    return true;
}

/* Tries the program without the bytes [from, to). */
static bool try_without(struct reducer *r, size_t from, size_t to) {
    memcpy(r->trial, r->best->p, from);
    memcpy(r->trial + from, r->best->p + to, r->best->len - to);
    return accept(r, r->best->len - (to - from));
}

static bool drop_stretches(struct reducer *r) {
    bool any = false;
    for (size_t size = r->best->len / 2 + 1; size > 0; size /= 2) {
        for (size_t at = 0; at + size <= r->best->len;) {
            if (try_without(r, at, at + size))
                any = true;
            else
                at += size > 1 ? size / 2 : 1;
        }
    }
    return any;
}

static size_t partner(const char *p, size_t open) {
    size_t depth = 0;
    for (size_t i = open;; i++) {
        depth += p[i] == '[';
        if (p[i] == ']' && --depth == 0)
            return i;
    }
}

static bool drop_brackets(struct reducer *r) {
    bool any = false;
    for (size_t i = 0; i < r->best->len; i++) {
        while (i < r->best->len && r->best->p[i] == '[') {
            size_t close = partner(r->best->p, i);
            if (try_without(r, i, close + 1)) {
                any = true;
                continue;
            }
            size_t n = r->best->len - 2, inner = close - i - 1;
            memcpy(r->trial, r->best->p, i);
            memcpy(r->trial + i, r->best->p + i + 1, inner);
            memcpy(r->trial + i + inner, r->best->p + close + 1, n - i - inner);
            if (!accept(r, n))
                break;
            any = true;
        }
    }
    return any;
}

void reduce_program(struct text *program, reduce_test *test, void *arg) {
    struct reducer r = {program, xalloc(program->len + 1, 1), test, arg};
    bool any = true;
    while (any) {
        any = drop_stretches(&r);
        any |= drop_brackets(&r);
    }
    xfree(r.trial);
}

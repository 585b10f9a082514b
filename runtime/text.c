/* text.c: a growing text buffer.
 *
 * Relies on runtime/alloc.h for memory: adding text never fails, so callers check nothing.
 */
#include "runtime/text.h"

#include <stdio.h>
#include <string.h>

#include "runtime/alloc.h"
#include "runtime/bug.h"

/* Makes room for n more bytes and the NUL after them. */
static void text_reserve(struct text *t, size_t n) {
    size_t need;
    if (__builtin_add_overflow(t->len, n, &need) || __builtin_add_overflow(need, 1, &need))
        need = SIZE_MAX; /* The allocation reports it. */
    if (need <= t->cap)
        return;
    size_t cap = t->cap < 64 ? 64 : t->cap;
    while (cap < need && cap <= SIZE_MAX / 2)
        cap *= 2;
    t->p = xrealloc(t->p, cap < need ? need : cap, 1);
    t->cap = cap < need ? need : cap;
}

void text_add(struct text *t, const char *bytes, size_t n) {
    text_reserve(t, n);
    if (n != 0)
        memcpy(t->p + t->len, bytes, n);
    t->len += n;
    t->p[t->len] = '\0';
}

void text_put(struct text *t, const char *s) {
    text_add(t, s, strlen(s));
}

void text_char(struct text *t, char c) {
    text_add(t, &c, 1);
}

void text_fmt(struct text *t, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    text_vfmt(t, format, ap);
    va_end(ap);
}

void text_vfmt(struct text *t, const char *format, va_list ap) {
    va_list again;
    va_copy(again, ap);
    text_reserve(t, 63); /* Most pieces fit in this, so formatting runs once. */
    int n = vsnprintf(t->p + t->len, t->cap - t->len, format, ap);
    if (n < 0)
        bug("text_vfmt: bad format %s", format);
    if ((size_t)n >= t->cap - t->len) {
        text_reserve(t, (size_t)n);
        vsnprintf(t->p + t->len, t->cap - t->len, format, again);
    }
    t->len += (size_t)n;
    va_end(again);
}

void text_free(struct text *t) {
    xfree(t->p);
    *t = (struct text){0};
}

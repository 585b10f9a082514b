/* diag.c: puts messages together and writes each with one write, so that lines never mix.
 *
 * Source lines are bytes of any origin: what is not a printable character of valid UTF-8 is shown
 * as `?`, so that a message can neither garble nor drive a terminal.  Tabs are kept, in the caret
 * line too, so that the caret stands right whatever they expand to.
 */
#include "frontend/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

#include "runtime/rt.h"
#include "runtime/text.h"

/* Longer lines are cut to this many bytes before and after the position. */
#define DIAG_BEFORE 60u
#define DIAG_AFTER  40u

static void diag_write(struct text *t) {
    /* A failure to report has nobody to be reported to. */
    (void)rt_write_all(STDERR_FILENO, t->p, t->len);
    text_free(t);
}

static __attribute__((format(printf, 2, 0))) void diag_plain(const char *severity,
                                                             const char *format, va_list ap) {
    struct text t = {0};
    text_fmt(&t, "bfopt: %s: ", severity);
    text_vfmt(&t, format, ap);
    text_char(&t, '\n');
    diag_write(&t);
}

void diag_error(const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    diag_plain("error", format, ap);
    va_end(ap);
}

void diag_warning(const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    diag_plain("warning", format, ap);
    va_end(ap);
}

/* ---- the source line ---- */

/* Is p a continuation byte of UTF-8? */
static bool diag_continues(uint8_t c) {
    return (c & 0xC0) == 0x80;
}

/* The length of the printable multi-byte character at p, before end; 0: it is none. */
static unsigned diag_utf8(const uint8_t *p, const uint8_t *end) {
    unsigned n = 0;
    if (*p >= 0xC2 && *p <= 0xDF)
        n = 2;
    else if (*p >= 0xE0 && *p <= 0xEF)
        n = 3;
    else if (*p >= 0xF0 && *p <= 0xF4)
        n = 4;
    if (n == 0 || (size_t)(end - p) < n)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if (!diag_continues(p[i]))
            return 0;
    bool control = p[0] == 0xC2 && p[1] < 0xA0;
    bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool outside = (p[0] == 0xED && p[1] >= 0xA0) || (p[0] == 0xF4 && p[1] >= 0x90);
    return control || overlong || outside ? 0 : n;
}

unsigned diag_put_char(struct text *out, const uint8_t *p, const uint8_t *end) {
    unsigned n = diag_utf8(p, end);
    if (n != 0)
        text_add(out, (const char *)p, n);
    else
        text_char(out, *p == '\t' || (*p >= ' ' && *p < 0x7F) ? (char)*p : '?');
    return n != 0 ? n : 1;
}

/* The same, and adds what stands below it to `below`. */
static unsigned diag_char(struct text *out, struct text *below, const uint8_t *p,
                          const uint8_t *end) {
    text_char(below, *p == '\t' ? '\t' : ' ');
    return diag_put_char(out, p, end);
}

/* The part [*from, *to) of the line around `offset` that is shown. */
static void diag_window(const struct source *s, uint32_t offset, uint32_t *from, uint32_t *to) {
    if (*to - *from <= DIAG_BEFORE + DIAG_AFTER)
        return;
    if (offset - *from > DIAG_BEFORE) {
        *from = offset - DIAG_BEFORE;
        for (unsigned i = 0; i < 3 && diag_continues(s->text[*from]); i++)
            ++*from;
    }
    if (*to - *from > DIAG_BEFORE + DIAG_AFTER) {
        *to = *from + DIAG_BEFORE + DIAG_AFTER;
        for (unsigned i = 0; i < 3 && *to > offset + 1 && diag_continues(s->text[*to]); i++)
            --*to;
    }
}

void diag_show_line(struct text *out, struct source *s, uint32_t offset) {
    uint32_t start = source_position(s, offset).line_start;
    uint32_t end = source_line_end(s, start);
    if (end < offset) /* the file was changed in between */
        end = offset;
    if (end > start && s->text[end - 1] == '\r' && offset < end - 1)
        end--;
    uint32_t from = start, to = end;
    diag_window(s, offset, &from, &to);
    struct text below = {0};
    text_put(out, from > start ? "  ..." : "  ");
    text_put(&below, from > start ? "     " : "  ");
    size_t caret = below.len;
    for (uint32_t i = from; i < to;) {
        if (i <= offset)
            caret = below.len;
        i += diag_char(out, &below, s->text + i, s->text + to);
    }
    if (offset >= to)
        caret = below.len;
    text_put(out, to < end ? "...\n" : "\n");
    text_add(out, below.p, caret);
    text_put(out, "^\n");
    text_free(&below);
}

/* ---- messages with a position ---- */

static __attribute__((format(printf, 4, 0))) void
diag_at(struct source *s, uint32_t offset, const char *severity, const char *format, va_list ap) {
    struct text t = {0};
    va_list again;
    va_copy(again, ap);
    struct position at = source_position(s, offset);
    text_fmt(&t, "%s:%u:%u: %s: ", s->name, at.line, at.column, severity);
    text_vfmt(&t, format, ap);
    text_char(&t, '\n');
    diag_show_line(&t, s, offset);
    if (source_lost(s)) { /* where it was is not known any more */
        t.len = 0;
        text_fmt(&t, "%s: %s: ", s->name, severity);
        text_vfmt(&t, format, again);
        text_char(&t, '\n');
    }
    va_end(again);
    diag_write(&t);
}

void diag_error_at(struct source *s, uint32_t offset, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    diag_at(s, offset, "error", format, ap);
    va_end(ap);
}

void diag_warning_at(struct source *s, uint32_t offset, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    diag_at(s, offset, "warning", format, ap);
    va_end(ap);
}

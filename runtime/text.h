/* text.h: a growing text buffer, and the only way dumps and messages are put together.  text.c. */
#ifndef BFOPT_RUNTIME_TEXT_H
#define BFOPT_RUNTIME_TEXT_H

#include <stdarg.h>
#include <stddef.h>

struct text {
    char *p; /* NUL-terminated when len > 0 */
    size_t len, cap;
};

void text_add(struct text *t, const char *bytes, size_t n);
void text_put(struct text *t, const char *s);
void text_char(struct text *t, char c);
void text_fmt(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vfmt(struct text *t, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));
void text_free(struct text *t);

#endif

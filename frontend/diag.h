/* diag.h: messages to the user, on standard error.  diag.c.
 *
 *   prog.b:3:7: error: unmatched `[`
 *     ++ [ > + <
 *        ^
 *
 * For errors in bfopt itself there is bug() in runtime/bug.h.
 */
#ifndef BFOPT_FRONTEND_DIAG_H
#define BFOPT_FRONTEND_DIAG_H

#include <stdint.h>

#include "frontend/source.h"

struct text;

/* A message about no position: "bfopt: error: ...". */
void diag_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void diag_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A message about a byte of the source, with its line and a caret. */
void diag_error_at(struct source *s, uint32_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_warning_at(struct source *s, uint32_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the character at p (before end), or a `?` for what is not printable; returns its length. */
unsigned diag_put_char(struct text *out, const uint8_t *p, const uint8_t *end);

/* The source line of `offset`, cut to a window if it is long, and a caret line below it. */
void diag_show_line(struct text *out, struct source *s, uint32_t offset);

#endif

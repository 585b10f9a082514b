/* source_view.h: the source text as dumps of machine code show it.
 *
 *   # prog.b:3: +[-->-[>>+>-----<<]
 *
 * The front end owns source files and positions; dumps get at them through this.
 * Implemented in source_view.c.
 */
#ifndef BFOPT_BACKEND_SOURCE_VIEW_H
#define BFOPT_BACKEND_SOURCE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

struct source_place {
    uint32_t line, column; /* 1-based */
    uint32_t line_start;   /* byte offset of the line's first byte */
};

struct source_view {
    const char *name;
    const uint8_t *text; /* NULL: there is none (IR text was the input) */
    uint32_t size;
    struct source_place (*place)(void *context, uint32_t offset);
    void *context;
    uint32_t from, to; /* private: the part of the source that was shown last */
};

struct text;
/* If the source at src was not shown by the last call, appends `prefix`, the line (or a part of a
 * long line) around it, and a newline. */
void source_view_show(struct source_view *v, struct text *out, const char *prefix, uint32_t src);
/* Appends "line:column" and the commands at src: "3:7 +++". */
void source_view_place(struct source_view *v, struct text *out, uint32_t src);
/* Can positions be shown at all? */
static inline bool source_view_knows(const struct source_view *v, uint32_t src) {
    return v != 0 && v->text != 0 && src < v->size;
}

#endif

/* source_view.c: source lines beside machine code. */
#include "backend/source_view.h"

#include <ctype.h>
#include <string.h>

#include "runtime/text.h"

#define VIEW_WIDTH 76u /* of a part of a long line */
#define RUN_WIDTH  8u  /* of the commands shown beside one instruction */

/* In a comment: a line end in a name must not end it. */
static void put_name(struct text *out, const char *name) {
    for (; *name != '\0'; name++)
        text_char(out, iscntrl((unsigned char)*name) ? '?' : *name);
}

void source_view_show(struct source_view *v, struct text *out, const char *prefix, uint32_t src) {
    if (!source_view_knows(v, src) || (src >= v->from && src < v->to))
        return;
    struct source_place p = v->place(v->context, src);
    uint32_t from = p.line_start, to = src;
    while (to < v->size && v->text[to] != '\n' && to - from < VIEW_WIDTH)
        to++;
    if (to <= src) {
        from = src;
        for (to = src + 1; to < v->size && v->text[to] != '\n' && to - from < VIEW_WIDTH;)
            to++;
    }
    v->from = from;
    v->to = to;
    text_put(out, prefix);
    put_name(out, v->name);
    text_fmt(out, ":%u:%u:  ", p.line, from - p.line_start + 1);
    for (; from < to; from++)
        text_char(out, isprint(v->text[from]) ? (char)v->text[from] : ' ');
    text_char(out, '\n');
}

void source_view_place(struct source_view *v, struct text *out, uint32_t src) {
    if (!source_view_knows(v, src))
        return;
    struct source_place p = v->place(v->context, src);
    text_fmt(out, "%u:%u ", p.line, p.column);
    uint32_t to = src;
    while (to < v->size && v->text[to] == v->text[src] && to - src < RUN_WIDTH)
        to++;
    if (isprint(v->text[src]))
        text_add(out, (const char *)v->text + src, to - src);
}

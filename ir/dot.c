/* dot.c: a picture of a function in the dot language.
 *
 * One node a block: a table with a line for each instruction, coloured by its effects.  A natural
 * loop is a box around its blocks, boxes nest as loops do.  Where a br goes when its cell is not
 * zero is a solid green edge, where it goes on zero a dashed red one; edges back to the head of a
 * loop are drawn thick.
 *
 * Relies on cfg.c for loops and on print.c for the text of an instruction.
 */
#include "ir/dot.h"

#include <string.h>

#include "ir/cfg.h"
#include "ir/print.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

/* Longer blocks and lines are cut in the middle: a picture is for looking at. */
#define DOT_LINES_HEAD 40
#define DOT_LINES_TAIL 20
#define DOT_LINE_CHARS 72

struct drawer {
    struct text *out;
    const struct func *f;
    struct ir_names names;
    struct cfg cfg;
    block *first_in, *next_in; /* the blocks of each loop (0: of none) that are in no inner one */
    uint32_t *first_sub, *next_sub; /* the loops directly inside each loop */
};

/* ---- colours ---- */

static const struct {
    unsigned effects;
    const char *colour, *what;
} dot_shade[] = {
    /* The first row that fits. */
    {EFF_END, "#e4e4e4", "ends a block"},      {EFF_IO, "#d5f0d0", "input, output"},
    {EFF_WRITE, "#ffdcb8", "writes the tape"}, {EFF_READ, "#d2e6fa", "reads the tape"},
    {EFF_PURE, "#ffffff", "computes"},
};
#define DOT_SHADES (sizeof dot_shade / sizeof *dot_shade)

static const char *shade_of(unsigned effects) {
    for (unsigned i = 0; i < DOT_SHADES; i++)
        if (effects & dot_shade[i].effects)
            return dot_shade[i].colour;
    return "#ffffff";
}

/* ---- pieces ---- */

static void put_html(struct text *out, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        switch (s[i]) {
        case '&':
            text_put(out, "&amp;");
            break;
        case '<':
            text_put(out, "&lt;");
            break;
        case '>':
            text_put(out, "&gt;");
            break;
        case '"':
            text_put(out, "&quot;");
            break;
        case '\\': /* Graphviz takes two for one, even here. */
            text_put(out, "\\\\");
            break;
        default:
            text_char(out, s[i]);
            break;
        }
    }
}

/* At most DOT_LINE_CHARS characters, the middle left out. */
static void put_short(struct text *out, const struct text *t) {
    if (t->len <= DOT_LINE_CHARS) {
        put_html(out, t->p, t->len);
        return;
    }
    put_html(out, t->p, DOT_LINE_CHARS - 12);
    text_put(out, " &#8230; ");
    put_html(out, t->p + t->len - 9, 9);
}

static void put_row(struct drawer *d, value v) {
    const struct insn *in = ir_at(d->f, v);
    const char *shade = shade_of(op_info[in->op].effects);
    struct text line = {0}, src = {0};
    ir_put_insn(&line, &d->names, v);
    if (in->src != NO_SRC) {
        /* The source position gets a column of its own. */
        text_fmt(&src, "@%u", in->src);
        line.len -= src.len + 1;
    }
    text_fmt(d->out, "<TR><TD ALIGN=\"LEFT\" BGCOLOR=\"%s\">", shade);
    put_short(d->out, &line);
    text_fmt(d->out, "</TD><TD ALIGN=\"RIGHT\" BGCOLOR=\"%s\">", shade);
    if (src.len > 0) /* Graphviz takes no empty FONT. */
        text_fmt(d->out, "<FONT COLOR=\"#909090\">%s</FONT>", src.p);
    text_put(d->out, "</TD></TR>");
    text_free(&line);
    text_free(&src);
}

/* ---- blocks ---- */

static uint32_t count_insns(const struct func *f, block b) {
    uint32_t n = 0;
    IR_FOR_INSNS (f, b, v)
        n++;
    return n;
}

static void put_rows(struct drawer *d, block b) {
    uint32_t n = count_insns(d->f, b), at = 0;
    bool cut = n > DOT_LINES_HEAD + DOT_LINES_TAIL + 1;
    IR_FOR_INSNS (d->f, b, v) {
        if (!cut || at < DOT_LINES_HEAD || at >= n - DOT_LINES_TAIL)
            put_row(d, v);
        else if (at == DOT_LINES_HEAD)
            text_fmt(d->out,
                     "<TR><TD ALIGN=\"LEFT\" COLSPAN=\"2\"><I>&#8230; %u more</I></TD></TR>",
                     n - DOT_LINES_HEAD - DOT_LINES_TAIL);
        at++;
    }
}

static void put_node(struct drawer *d, block b) {
    bool reachable = d->cfg.rpo.pos[b.i] != UINT32_MAX;
    text_put(d->out, "  ");
    ir_put_block(d->out, &d->names, b);
    text_put(d->out, " [label=<<TABLE BORDER=\"1\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
                     "CELLPADDING=\"2\" COLOR=\"#606060\" BGCOLOR=\"white\">"
                     "<TR><TD ALIGN=\"LEFT\" COLSPAN=\"2\" BGCOLOR=\"#505868\">"
                     "<FONT COLOR=\"white\"><B>");
    ir_put_block(d->out, &d->names, b);
    text_put(d->out, "</B>");
    if (same_block(b, d->f->entry))
        text_put(d->out, " entry");
    if (!reachable)
        text_put(d->out, " unreachable");
    text_put(d->out, "</FONT></TD></TR>");
    put_rows(d, b);
    text_put(d->out, "</TABLE>>];\n");
}

/* ---- edges ---- */

static bool is_back_edge(const struct drawer *d, block from, block to) {
    return d->cfg.rpo.pos[from.i] != UINT32_MAX && cfg_dominates(&d->cfg.dom, to, from);
}

static void put_edge(struct drawer *d, block from, unsigned n) {
    const struct block_data *bd = ir_block(d->f, from);
    block to = bd->succ[n];
    text_put(d->out, "  ");
    ir_put_block(d->out, &d->names, from);
    text_put(d->out, " -> ");
    ir_put_block(d->out, &d->names, to);
    if (bd->nsucc == 1)
        text_put(d->out, " [color=\"#404040\"");
    else if (n == 0)
        text_put(d->out, " [label=\" not 0\", color=\"#1a8a2a\", fontcolor=\"#1a8a2a\"");
    else
        text_put(d->out, " [label=\" 0\", color=\"#c03030\", fontcolor=\"#c03030\", style=dashed");
    if (is_back_edge(d, from, to))
        text_put(d->out, ", penwidth=2.8, arrowhead=normalnormal");
    text_put(d->out, "];\n");
}

/* ---- loops ---- */

/* Sorts the blocks into their innermost loops and the loops into their parents.  Prepending from
 * the back keeps layout order. */
static void sort_into_loops(struct drawer *d) {
    uint32_t n = d->cfg.loops.nloop;
    d->first_in = xcalloc(n, sizeof(block));
    d->next_in = xcalloc(d->f->nblock, sizeof(block));
    d->first_sub = xcalloc(n, sizeof(uint32_t));
    d->next_sub = xcalloc(n, sizeof(uint32_t));
    for (block b = d->f->last_block; b.i != 0; b = ir_block(d->f, b)->prev) {
        uint32_t l = d->cfg.loops.of[b.i];
        d->next_in[b.i] = d->first_in[l];
        d->first_in[l] = b;
    }
    for (uint32_t l = n; l-- > 1;) {
        uint32_t up = d->cfg.loops.loop[l].parent;
        d->next_sub[l] = d->first_sub[up];
        d->first_sub[up] = l;
    }
}

static void open_loop(struct drawer *d, uint32_t l) {
    static const char *const ground[] = {"#fbf7e6", "#f4eedc", "#ece4d0", "#e4dac4"};
    const struct loop *loop = &d->cfg.loops.loop[l];
    text_fmt(d->out, "  subgraph cluster_%u {\n    label=\"loop %u, depth %u\";\n", l, l,
             loop->depth);
    text_fmt(d->out, "    style=\"rounded,filled\"; color=\"#b09860\"; fillcolor=\"%s\";\n",
             ground[(loop->depth - 1) % 4]);
    text_put(d->out, "    labeljust=l; fontcolor=\"#806020\";\n");
}

static void put_blocks_of(struct drawer *d, uint32_t l) {
    for (block b = d->first_in[l]; b.i != 0; b = d->next_in[b.i])
        put_node(d, b);
}

/* All nodes, each inside the boxes of its loops.  `at` walks the loop tree; no recursion. */
static void put_nodes(struct drawer *d) {
    uint32_t at = 0;
    put_blocks_of(d, 0);
    for (uint32_t down = d->first_sub[0];;) {
        if (down != 0) {
            at = down;
            open_loop(d, at);
            put_blocks_of(d, at);
            down = d->first_sub[at];
        } else if (at != 0) {
            text_put(d->out, "  }\n");
            down = d->next_sub[at];
            at = d->cfg.loops.loop[at].parent;
        } else {
            return;
        }
    }
}

/* ---- the picture ---- */

static void put_legend(struct drawer *d) {
    const struct func *f = d->f;
    text_put(d->out, "  label=<<TABLE BORDER=\"0\" CELLBORDER=\"1\" CELLSPACING=\"3\" "
                     "COLOR=\"#b0b0b0\"><TR>");
    text_fmt(d->out, "<TD BORDER=\"0\">%s, %u-bit cells", f->program ? "program" : "unit",
             f->cell_bits);
    if (f->tape_cells)
        text_fmt(d->out, ", %llu of them", (unsigned long long)f->tape_cells);
    text_fmt(d->out, "%s</TD>", f->strict ? ", strict" : "");
    for (unsigned i = DOT_SHADES; i-- > 0;)
        text_fmt(d->out, "<TD BGCOLOR=\"%s\">%s</TD>", dot_shade[i].colour, dot_shade[i].what);
    text_put(d->out, "</TR></TABLE>>;\n");
}

static void put_graph(struct drawer *d) {
    text_put(d->out, "digraph bfopt {\n"
                     "  graph [fontname=\"monospace\", fontsize=10, labelloc=t, labeljust=l, "
                     "nodesep=0.35, ranksep=0.4];\n"
                     "  node [shape=plain, fontname=\"monospace\", fontsize=10];\n"
                     "  edge [fontname=\"monospace\", fontsize=9, arrowsize=0.7];\n");
    put_legend(d);
    put_nodes(d);
    IR_FOR_BLOCKS (d->f, b) {
        for (unsigned n = 0; n < ir_block(d->f, b)->nsucc; n++)
            put_edge(d, b, n);
    }
    text_put(d->out, "}\n");
}

void ir_dot(struct text *out, const struct func *f) {
    struct drawer d = {.out = out, .f = f, .names = ir_names_dense(f), .cfg = cfg_make(f)};
    sort_into_loops(&d);
    put_graph(&d);
    xfree(d.first_in);
    xfree(d.next_in);
    xfree(d.first_sub);
    xfree(d.next_sub);
    cfg_free(&d.cfg);
    ir_names_free(&d.names);
}

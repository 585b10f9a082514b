/* print.h: the text form of the IR.  print.c writes it, parse.c reads it; docs/ir.md has the
 * grammar.
 *
 *   program cells=8 tape=67108864 {
 *   b1:
 *     %1 = tape
 *     %2 = load %1 + 3 @7
 *     store %1 - 1 no_trap(dom), 65 @8
 *     br %2, b2, b3
 *     ...
 *   }
 */
#ifndef BFOPT_IR_PRINT_H
#define BFOPT_IR_PRINT_H

#include "ir/ir.h"

struct text;

/* The numbers a dump shows.  Dense names count values and blocks from 1 in layout order, so that
 * the same function prints the same however it was made; otherwise the indexes are shown. */
struct ir_names {
    const struct func *f;
    uint32_t *value, *block; /* NULL: indexes */
};
struct ir_names ir_names_dense(const struct func *f);
struct ir_names ir_names_raw(const struct func *f);
void ir_names_free(struct ir_names *n);

/* An operand as it is printed: %3, or a constant as a signed number. */
void ir_put_value(struct text *out, const struct ir_names *n, value v);
void ir_put_block(struct text *out, const struct ir_names *n, block b);
/* One instruction, without indentation or end of line. */
void ir_put_insn(struct text *out, const struct ir_names *n, value v);
/* Bytes as a string in quotes with escapes. */
void ir_put_string(struct text *out, const char *bytes, size_t len);

/* Called for each block line (v is NO_VALUE) and each instruction.  What it appends is shown after
 * `; ` on that line (`beside`), or must be whole lines, each a comment (`below`). */
typedef void ir_annotate(struct text *out, const struct ir_names *n, block b, value v,
                         void *context);

struct ir_print_options {
    bool raw_numbers; /* indexes instead of dense numbers: they are stable between passes */
    block only;       /* print this block only; NO_BLOCK: all */
    ir_annotate *beside, *below;
    void *context;
};

/* Appends f.  o may be NULL.  Prints broken functions too, as far as they can be followed. */
void ir_print(struct text *out, const struct func *f, const struct ir_print_options *o);

#endif

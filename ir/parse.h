/* parse.h: reads the text form of the IR.  parse.c; docs/ir.md has the grammar.
 *
 * Reading checks the form: names are defined once, targets exist, edges fit the limits of ir.h.
 * Whether the function makes sense (kinds, dominance, marks) is the verifier's question.
 */
#ifndef BFOPT_IR_PARSE_H
#define BFOPT_IR_PARSE_H

#include "ir/ir.h"

/* The first error of a text. */
struct ir_parse_error {
    size_t offset;      /* in bytes */
    uint32_t line, col; /* counted from 1; col in bytes */
    char message[160];
};

/* The function text[0 .. len) describes, or NULL and *error.  Any bytes may be given. */
struct func *ir_parse(const char *text, size_t len, struct ir_parse_error *error);

/* Reads a string in quotes with escapes, as ir_put_string writes it, from text[*at .. len). Appends
 * the bytes to out and moves *at past the closing quote; NULL, or what is wrong at *at. */
struct text;
const char *ir_parse_string(const char *text, size_t len, size_t *at, struct text *out);

#endif

/* bytes.h: a stream of items to bytes: widths of branches, offsets of labels, the trap table.
 *
 *   struct bytes b;
 *   if (bytes_layout(&b, e, encoder)) {
 *       memory = ... b.size + X64_SLACK bytes ...
 *       bytes_write(&b, e, encoder, memory);
 *   }
 *   bytes_free(&b);
 *
 * Implemented in bytes.c.
 */
#ifndef BFOPT_BACKEND_X64_BYTES_H
#define BFOPT_BACKEND_X64_BYTES_H

#include "backend/x64/emit.h"
#include "runtime/rt.h"

struct bytes {
    uint32_t size, code_size; /* code, then strings */
    uint32_t *label;          /* offset of each label */
    struct trap_site *site;   /* sorted by code offset */
    uint32_t nsite;
    uint32_t *templ; /* of each item that is an instruction */
    uint8_t *length; /* of each item that is an instruction, in bytes; else 0 */
    struct bytes_mark {
        uint32_t item;    /* a label, an alignment, a branch, a string */
        uint32_t before;  /* bytes of instructions between the last one and it */
    } * mark;             /* where offsets change otherwise than by what stands there */
    uint32_t nmark, rest; /* bytes behind the last one */
};

/* The source position of every instruction, as fault_unit.place; the caller frees it. */
struct trap_site *bytes_places(const struct bytes *b, const struct emitted *e, uint32_t *n);

/* Chooses the width of each branch (recorded in the stream) and all offsets.  False: the code would
 * be larger than branches reach. */
bool bytes_layout(struct bytes *b, struct emitted *e, struct x64_encoder *encoder);
/* Writes b->size bytes (and may touch X64_SLACK more). */
void bytes_write(const struct bytes *b, const struct emitted *e, const struct x64_encoder *encoder,
                 uint8_t *to);
/* Decodes what bytes_write wrote and compares each instruction with the stream; any difference is a
 * bug().  Returns the number of instructions. */
uint32_t bytes_verify(const struct bytes *b, const struct emitted *e, const uint8_t *code);
void bytes_free(struct bytes *b);

/* Where an item at `offset` starts: behind the padding of alignments. */
uint32_t bytes_aligned(uint32_t offset, uint32_t to);
/* The number of bytes a string of the IR takes, its length before it. */
uint64_t bytes_of_string(const struct emitted *e, uint32_t string);

#endif

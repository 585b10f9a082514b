/* code_memory.h: memory for generated code, which is writable or executable, never both.
 *
 *   struct code_memory c;
 *   if (code_memory_map(&c, size)) {
 *       ... write to c.base ...
 *       if (code_memory_seal(&c)) ... run it ...
 *   }
 *   code_memory_unmap(&c);
 *
 * Sealed memory is never written again.  Implemented in code_memory.c; depends on libc only.
 *
 * Sealing takes the right to write away from every processor that this process runs on, each of
 * which is interrupted for it.  For many small units there are pools: files in memory that are
 * mapped executable and never writable; code comes in by pwrite.
 */
#ifndef BFOPT_RUNTIME_CODE_MEMORY_H
#define BFOPT_RUNTIME_CODE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code_memory {
    uint8_t *base;
    size_t bytes; /* a whole number of pages */
    bool sealed;
};

/* Maps at least `bytes`, writable.  False: no memory. */
bool code_memory_map(struct code_memory *c, size_t bytes);
/* From now on the memory can be executed and no longer be written. */
bool code_memory_seal(struct code_memory *c);
/* From now on this process can make no memory executable (Linux since 6.3: PR_SET_MDWE; elsewhere,
 * and under valgrind, which makes code itself, nothing happens). */
void code_memory_lock(void);
void code_memory_unmap(struct code_memory *c);

#define CODE_POOL_LARGEST 65536 /* code that may be put into a pool */

struct code_pool {
    struct code_chunk {
        uint8_t *base;
        int file;
    } * chunk; /* code goes to the last one */
    uint32_t nchunk, cap;
    size_t used;  /* of the last one */
    bool refused; /* there can be no more chunks */
};

/* Copies code to the pool.  Where it can be executed; or NULL: it is too large, or there is no such
 * memory, as where files in memory may not be executed. */
uint8_t *code_pool_add(struct code_pool *p, const uint8_t *code, size_t bytes);
void code_pool_free(struct code_pool *p);

#endif

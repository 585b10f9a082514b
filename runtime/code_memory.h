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

#endif

/* code_memory.c: maps memory for generated code, first to be written, then to be executed. */
#include "runtime/code_memory.h"

#include <sys/mman.h>
#include <unistd.h>

bool code_memory_map(struct code_memory *c, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *c = (struct code_memory){0};
    if (bytes == 0 || bytes > PTRDIFF_MAX - page)
        return false;
    bytes = (bytes + page - 1) / page * page;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    c->base = p;
    c->bytes = bytes;
    return true;
}

bool code_memory_seal(struct code_memory *c) {
    c->sealed = mprotect(c->base, c->bytes, PROT_READ | PROT_EXEC) == 0;
    return c->sealed;
}

void code_memory_unmap(struct code_memory *c) {
    if (c->base != NULL)
        munmap(c->base, c->bytes);
    *c = (struct code_memory){0};
}

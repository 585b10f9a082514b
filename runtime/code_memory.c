/* code_memory.c: maps memory for generated code, first to be written, then to be executed. */
#include "runtime/code_memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

/* Older headers do not have them. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

void code_memory_lock(void) {
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded == NULL || strstr(preloaded, "vgpreload") == NULL)
        (void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
}

void code_memory_unmap(struct code_memory *c) {
    if (c->base != NULL)
        munmap(c->base, c->bytes);
    *c = (struct code_memory){0};
}

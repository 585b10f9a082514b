/* code_memory.c: maps memory for generated code, first to be written, then to be executed; or both
 * at once, in different ways. */
#include "runtime/code_memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runtime/alloc.h"

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
    if (c->bytes != 0)
        munmap(c->base, c->bytes);
    *c = (struct code_memory){0};
}

/* ---- pools ---- */

#define CHUNK ((size_t)1 << 20)
#define ALIGN 64 /* a line of the cache is written before any of it runs */

/* Not one of the standard descriptors, which may have been closed: programs read and write them. */
static int new_file(void) {
    int file = memfd_create("bfopt-code", MFD_CLOEXEC);
    if (file < 0 || file > STDERR_FILENO)
        return file;
    int above = fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(file);
    return above;
}

static bool add_chunk(struct code_pool *p) {
    int file = new_file();
    if (file < 0)
        return false;
    void *base = MAP_FAILED;
    if (ftruncate(file, (off_t)CHUNK) == 0)
        base = mmap(NULL, CHUNK, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    if (base == MAP_FAILED) {
        close(file);
        return false;
    }
    p->chunk = xgrow(p->chunk, &p->cap, (uint64_t)p->nchunk + 1, sizeof *p->chunk);
    p->chunk[p->nchunk++] = (struct code_chunk){base, file};
    p->used = 0;
    return true;
}

uint8_t *code_pool_add(struct code_pool *p, const uint8_t *code, size_t bytes) {
    if (bytes > CODE_POOL_LARGEST || p->refused)
        return NULL;
    if ((p->nchunk == 0 || bytes > CHUNK - p->used) && !add_chunk(p)) {
        p->refused = true;
        return NULL;
    }
    const struct code_chunk *c = &p->chunk[p->nchunk - 1];
    if (pwrite(c->file, code, bytes, (off_t)p->used) != (ssize_t)bytes) {
        p->refused = true;
        return NULL;
    }
    uint8_t *at = c->base + p->used;
    p->used += (bytes + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

void code_pool_free(struct code_pool *p) {
    for (uint32_t i = 0; i < p->nchunk; i++) {
        munmap(p->chunk[i].base, CHUNK);
        close(p->chunk[i].file);
    }
    xfree(p->chunk);
    *p = (struct code_pool){0};
}

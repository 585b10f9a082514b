/* jit.c: writes a unit's bytes to memory, seals it, and enters it.
 *
 * The code is a function of the C calling convention with nothing but relative addresses, so
 * entering it is a call.  Builds with assertions decode every instruction again before the memory
 * is sealed.
 */
#include "backend/x64/jit.h"

#include <string.h>

#include "backend/x64/writer.h"
#include "runtime/alloc.h"

/* True: the unit is in the pool, where it stays until all are freed. */
static bool write_to_pool(struct code_pool *pool, struct jit_unit *u, const struct bytes *b,
                          const struct emitted *e, const struct x64_encoder *encoder) {
    if (b->size > CODE_POOL_LARGEST)
        return false;
    uint8_t *code = xcalloc(1, (size_t)b->size + X64_SLACK);
    bytes_write(b, e, encoder, code);
#ifndef NDEBUG
    bytes_verify(b, e, code);
#endif
    u->memory = (struct code_memory){.base = code_pool_add(pool, code, b->size)};
    xfree(code);
    return u->memory.base != NULL;
}

static bool write_code(struct jit_unit *u, const struct bytes *b, const struct emitted *e,
                       const struct x64_encoder *encoder) {
    if (!code_memory_map(&u->memory, (size_t)b->size + X64_SLACK))
        return false;
    bytes_write(b, e, encoder, u->memory.base);
#ifndef NDEBUG
    bytes_verify(b, e, u->memory.base);
#endif
    return code_memory_seal(&u->memory);
}

static void describe(struct jit_unit *u, struct bytes *b, const struct emitted *e) {
    uint32_t nplace = 0;
    if (e->places)
        u->place = bytes_places(b, e, &nplace);
    u->site = b->site;
    b->site = NULL;
    u->entry = b->label[LABEL_ENTER];
    u->frame = e->frame;
    u->fault = (struct fault_unit){
        .code = u->memory.base,
        .size = b->code_size,
        .site = u->site,
        .nsite = b->nsite,
        .place = u->place,
        .nplace = nplace,
        .exit_stub = u->memory.base + b->label[LABEL_EXIT],
    };
}

bool jit_make_in(struct jit_store *store, struct jit_unit *u, struct emitted *e, const char **why) {
    if (store != NULL && store->encoder == NULL)
        store->encoder = x64_encoder_new();
    struct x64_encoder *encoder = store != NULL ? store->encoder : x64_encoder_new();
    struct bytes b;
    *u = (struct jit_unit){0};
    bool ok = bytes_layout(&b, e, encoder);
    *why = "the code is larger than 2 GiB";
    if (ok) {
        *why = "no executable memory";
        ok = (store != NULL && write_to_pool(&store->pool, u, &b, e, encoder)) ||
             write_code(u, &b, e, encoder);
    }
    if (ok)
        describe(u, &b, e);
    else
        jit_free(u);
    bytes_free(&b);
    if (store == NULL)
        x64_encoder_free(encoder);
    return ok;
}

/* Memory for code that is too large for the pool. */
static bool copy_code(struct jit_unit *u, const uint8_t *code, size_t size) {
    if (!code_memory_map(&u->memory, size))
        return false;
    memcpy(u->memory.base, code, size);
    return code_memory_seal(&u->memory);
}

bool jit_keep(struct jit_store *store, struct jit_unit *u, struct writer *w) {
    *u = (struct jit_unit){.entry = w->label[LABEL_ENTER], .frame = store->parts->frame};
    u->memory.base = code_pool_add(&store->pool, w->code, w->n);
    if (u->memory.base == NULL && !copy_code(u, w->code, w->n)) {
        jit_free(u);
        return false;
    }
    u->site = w->site;
    w->site = NULL;
    u->fault = (struct fault_unit){
        .code = u->memory.base,
        .size = w->n,
        .site = u->site,
        .nsite = w->nsite,
        .exit_stub = u->memory.base + w->label[LABEL_EXIT],
    };
    return true;
}

bool jit_make(struct jit_unit *u, struct emitted *e, const char **why) {
    return jit_make_in(NULL, u, e, why);
}

void jit_store_free(struct jit_store *s) {
    x64_encoder_free(s->encoder);
    parts_free(s->parts);
    code_pool_free(&s->pool);
    *s = (struct jit_store){0};
}

void jit_free(struct jit_unit *u) {
    code_memory_unmap(&u->memory);
    xfree(u->site);
    xfree(u->place);
    *u = (struct jit_unit){0};
}

rt_loop *jit_entry(const struct jit_unit *u) {
    rt_loop *enter;
    const uint8_t *code = u->memory.base + u->entry;
    memcpy(&enter, &code, sizeof enter); /* ISO C knows no cast from data to functions. */
    return enter;
}

bool jit_run(struct rt *rt, struct jit_unit *u) {
    if (!fault_install(rt))
        return false;
    fault_add(&u->fault);
    const uint8_t *pointer = jit_entry(u)(rt, rt->tape.base, 0);
    fault_remove();
    if (rt->end == RUN_DONE) {
        int64_t bytes = (int64_t)((uintptr_t)pointer - (uintptr_t)rt->tape.base);
        rt->end_pointer = bytes / (int64_t)rt->tape.cell_bytes;
    }
    return true;
}

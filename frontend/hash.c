/* hash.c: the window of cells that `#` shows.
 *
 *   prog.b:1:9: # pointer 2, cells 0 to 15: 3 0 [72] 0 0 0 0 0 0 0 0 0 0 0 0 0
 *
 * The program's output is flushed first, so that on a terminal both appear in order.
 */
#include "frontend/hash.h"

#include <string.h>
#include <unistd.h>

#include "frontend/source.h"
#include "runtime/rt.h"
#include "runtime/text.h"

#define HASH_WINDOW 16

static struct source *hash_source;

static uint64_t hash_cell(const struct rt *rt, int64_t i) {
    uint64_t v = 0;
    memcpy(&v, rt->tape.base + i * (int64_t)rt->tape.cell_bytes, rt->tape.cell_bytes);
    return v;
}

/* First cell of the window: the pointer in its middle, as far as the tape reaches. */
static int64_t hash_first(int64_t pointer, int64_t cells) {
    int64_t first = pointer - HASH_WINDOW / 2;
    if (first > cells - HASH_WINDOW)
        first = cells - HASH_WINDOW;
    return first < 0 ? 0 : first;
}

static int hash_print(struct rt *rt, uint8_t *pointer, uint32_t src) {
    if (rt_flush(rt) != 0)
        return 1;
    int64_t bytes = (int64_t)((uintptr_t)pointer - (uintptr_t)rt->tape.base);
    int64_t at = bytes / (int64_t)rt->tape.cell_bytes, cells = (int64_t)tape_cells(&rt->tape);
    int64_t first = hash_first(at, cells);
    struct position where = source_position(hash_source, src);
    struct text t = {0};
    text_fmt(&t, "%s:%u:%u: # pointer %lld, cells %lld to %lld:", hash_source->name, where.line,
             where.column, (long long)at, (long long)first, (long long)first + HASH_WINDOW - 1);
    for (int64_t i = first; i < first + HASH_WINDOW; i++)
        text_fmt(&t, i == at ? " [%llu]" : " %llu", (unsigned long long)hash_cell(rt, i));
    text_char(&t, '\n');
    (void)rt_write_all(STDERR_FILENO, t.p, t.len);
    text_free(&t);
    return 0;
}

void hash_install(struct rt *rt, struct source *s) {
    hash_source = s;
    rt->hash = hash_print;
}

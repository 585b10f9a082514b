/* source.c: loads program text and turns byte offsets into lines and columns.
 *
 * Large files are mapped (mapped.c); standard input, pipes, devices and small files are read, and
 * so is what cannot be mapped.
 * Positions come from marks every 4 KiB of text (the line there, and where that line starts), so
 * that a question costs one block of text at most however long the lines are.
 */
#include "frontend/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/mapped.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

#define SOURCE_BLOCK 4096u

struct source_mark {
    uint32_t line, line_start;
};

/* What fstat says of a regular file's size; SOURCE_NO_SIZE: nothing. */
#define SOURCE_NO_SIZE UINT64_MAX
static uint64_t source_file_size(int fd) {
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0)
        return SOURCE_NO_SIZE;
    return (uint64_t)st.st_size;
}

/* Bytes to make room for, with one more so that the end is seen at once. */
static size_t source_guess(uint64_t size) {
    if (size == SOURCE_NO_SIZE)
        return 65536;
    return (size_t)(size > SOURCE_MAX_SIZE ? SOURCE_MAX_SIZE : size) + 2;
}

static bool source_map_fd(struct source *s, int fd) {
    uint64_t size = source_file_size(fd);
    if (size < MAPPED_LEAST || size > SOURCE_MAX_SIZE)
        return false;
    s->text = mapped_open(fd, (size_t)size);
    s->mapped = s->text != NULL;
    s->size = s->mapped ? (uint32_t)size : 0;
    return s->mapped;
}

static bool source_too_large(struct text *why) {
    text_put(why, "the program is larger than 2147483647 bytes");
    return false;
}

static bool source_read_fd(struct source *s, int fd, struct text *why) {
    size_t cap = source_guess(source_file_size(fd)), n = 0;
    s->text = xalloc(cap, 1);
    for (;;) {
        ssize_t got = read(fd, s->text + n, cap - n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            text_put(why, strerror(errno));
            return false;
        }
        n += (size_t)got;
        if (n > SOURCE_MAX_SIZE)
            return source_too_large(why);
        if (got == 0)
            break;
        if (n + 1 == cap) {
            cap *= 2;
            s->text = xrealloc(s->text, cap, 1);
        }
    }
    s->text[n] = '\0';
    s->size = (uint32_t)n;
    return true;
}

static void source_skip_hashbang(struct source *s) {
    if (s->size < 2 || s->text[0] != '#' || s->text[1] != '!')
        return;
    s->start = source_line_end(s, 0);
}

bool source_read(struct source *s, const char *path, bool map, struct text *why) {
    bool standard = strcmp(path, "-") == 0;
    *s = (struct source){.name = standard ? "<stdin>" : path};
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        text_put(why, strerror(errno));
        return false;
    }
    /* Standard input may be anywhere in its file, and what follows it may be read as input. */
    bool ok = (map && !standard && source_map_fd(s, fd)) || source_read_fd(s, fd, why);
    if (!standard)
        close(fd);
    if (ok)
        source_skip_hashbang(s);
    return ok;
}

bool source_copy(struct source *s, const char *name, const char *bytes, size_t n,
                 struct text *why) {
    *s = (struct source){.name = name};
    if (n > SOURCE_MAX_SIZE)
        return source_too_large(why);
    s->text = xalloc(n + 1, 1);
    memcpy(s->text, bytes, n);
    s->text[n] = '\0';
    s->size = (uint32_t)n;
    source_skip_hashbang(s);
    return true;
}

bool source_lost(const struct source *s) {
    return s->mapped && mapped_lost();
}

void source_free(struct source *s) {
    if (s->mapped)
        mapped_close();
    else
        xfree(s->text);
    xfree(s->mark);
    *s = (struct source){0};
}

/* Moves the mark m, which stands for `from`, on to `to`. */
static struct source_mark source_advance(const struct source *s, struct source_mark m,
                                         uint32_t from, uint32_t to) {
    const uint8_t *p = s->text + from, *end = s->text + to;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        p++;
        m.line++;
        m.line_start = (uint32_t)(p - s->text);
    }
    return m;
}

static void source_make_marks(struct source *s) {
    uint32_t blocks = s->size / SOURCE_BLOCK + 1;
    s->mark = xalloc(blocks, sizeof *s->mark);
    s->mark[0] = (struct source_mark){.line = 1, .line_start = 0};
    for (uint32_t i = 1; i < blocks; i++)
        s->mark[i] = source_advance(s, s->mark[i - 1], (i - 1) * SOURCE_BLOCK, i * SOURCE_BLOCK);
}

struct position source_position(struct source *s, uint32_t offset) {
    if (s->mark == NULL)
        source_make_marks(s);
    if (offset > s->size)
        offset = s->size;
    uint32_t i = offset / SOURCE_BLOCK;
    struct source_mark m = source_advance(s, s->mark[i], i * SOURCE_BLOCK, offset);
    return (struct position){
        .line = m.line, .column = offset - m.line_start + 1, .line_start = m.line_start};
}

uint32_t source_line_end(const struct source *s, uint32_t line_start) {
    const uint8_t *from = s->text + line_start;
    const uint8_t *end = memchr(from, '\n', s->size - line_start);
    return end == NULL ? s->size : (uint32_t)(end - s->text);
}

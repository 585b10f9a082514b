/* perf_map.c: writes /tmp/perf-PID.map, where perf looks for the names of code that is in no file:
 * lines of address, size and name (tools/perf/Documentation/jit-interface.txt of Linux).
 *
 * The name of the file is known beforehand and its folder is everybody's, so it is neither followed
 * nor opened if it is there already, but for this process's own.
 */
#include "frontend/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "frontend/diag.h"
#include "runtime/rt.h"
#include "runtime/text.h"

static int perf_map_fd = -1;
static bool perf_map_failed;

static bool perf_map_open(void) {
    struct text name = {0};
    text_fmt(&name, "/tmp/perf-%d.map", (int)getpid());
    unlink(name.p); /* of a process before this one; fails if it is somebody else's */
    perf_map_fd = open(name.p, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    perf_map_failed = perf_map_fd < 0;
    if (perf_map_failed)
        diag_warning("cannot write `%s`: %s", name.p, strerror(errno));
    text_free(&name);
    return !perf_map_failed;
}

void perf_map_add(const void *code, uint32_t size, struct source *s, uint32_t src) {
    if (perf_map_failed || (perf_map_fd < 0 && !perf_map_open()))
        return;
    struct position at = source_position(s, src);
    struct text line = {0};
    text_fmt(&line, "%llx %x %s:%u:%u\n", (unsigned long long)(uintptr_t)code, size, s->name,
             at.line, at.column);
    perf_map_failed = rt_write_all(perf_map_fd, line.p, line.len) != 0;
    text_free(&line);
}

/* How many threads are worth using on this machine: physical cores, fewer where affinity or a
 * control group's CPU quota allows fewer. Linux says so in /sys and /proc;
 * elsewhere the answer is 1.
 *
 * Control groups: kernel documentation, cgroup-v2 "cpu.max" and cgroup-v1 "cpu.cfs_quota_us". */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int default_threads = 1;

#ifdef __linux__
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

enum { PATH = 512, TEXT = 4096 };

/* Reads the start of a file as text; false when there is none. */
static bool read_text(const char *path, char text[TEXT]) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, TEXT - 1);
    if (file >= 0)
        close(file);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* The lowest CPU of the core that a CPU belongs to: one name for all hardware threads of a core. */
static int core_of(int cpu) {
    char path[PATH], text[TEXT];
    bpi_format(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
               cpu);
    if (!read_text(path, text))
        return cpu;
    int first = (int)strtol(text, NULL, 10);
    return first >= 0 && first < CPU_SETSIZE ? first : cpu;
}

static int allowed_cores(void) {
    cpu_set_t allowed;
    bool counted[CPU_SETSIZE] = {false};
    int cores = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return 1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        int core = CPU_ISSET(cpu, &allowed) ? core_of(cpu) : -1;
        if (core >= 0 && !counted[core]) {
            counted[core] = true;
            cores++;
        }
    }
    return cores;
}

/* Processors' worth of time by a quota and a period in microseconds; 0 without a limit. */
static double share(const char *quota, const char *period) {
    double q = (double)strtol(quota, NULL, 10), p = (double)strtol(period, NULL, 10);
    return q > 0 && p > 0 ? q / p : 0;
}

/* The limit of one group, in either version's files; 0 without one. */
static double limit_of_group(const char *folder, bool second_version) {
    char path[PATH + 32], first[TEXT], second[TEXT];
    bpi_format(path, sizeof path, second_version ? "%s/cpu.max" : "%s/cpu.cfs_quota_us", folder);
    if (!read_text(path, first))
        return 0;
    if (second_version) {
        const char *period = strchr(first, ' ');
        return period ? share(first, period) : 0;
    }
    bpi_format(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    return read_text(path, second) ? share(first, second) : 0;
}

/* The smallest limit of a group and those above it, up to where they are mounted. */
static double limit_of_branch(const char *mount, const char *group, bool second_version) {
    char folder[PATH];
    bpi_format(folder, sizeof folder, "%s%s", mount, group);
    double least = 0;
    for (;;) {
        double limit = limit_of_group(folder, second_version);
        if (limit > 0 && (least == 0 || limit < least))
            least = limit;
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < strlen(mount))
            return least;
        *slash = '\0';
    }
}

/* Is "cpu" one of the controllers in a list like "cpu,cpuacct" that ends with a colon? */
static bool names_cpu(const char *list) {
    for (const char *at = list; *at && *at != ':'; at += *at == ',') {
        size_t length = strcspn(at, ",:");
        if (length == 3 && memcmp(at, "cpu", 3) == 0)
            return true;
        at += length;
    }
    return false;
}

/* The limit by the groups of this process. Lines of the list are "number:controllers:/group", and
 * in version 2 "0::/group". */
static double group_limit(void) {
    char text[TEXT];
    double least = 0;
    if (!read_text("/proc/self/cgroup", text))
        return 0;
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n' ? (*end = '\0', 1) : 0;
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group || (list[1] != ':' && !names_cpu(list + 1)))
            continue;
        bool second = list[1] == ':';
        double limit =
            limit_of_branch(second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", group + 1, second);
        if (limit > 0 && (least == 0 || limit < least))
            least = limit;
    }
    return least;
}

static void count(void) {
    int cores = allowed_cores();
    double limit = group_limit();
    if (limit > 0 && limit < cores)
        cores = (int)limit;
    default_threads = cores > 1 ? cores : 1;
}

#else
static void count(void) {}
#endif

int bpi_pool_default_threads(void) {
    pthread_once(&once, count);
    return default_threads;
}

int bpi_pool_threads(int wanted) {
    const int count = wanted > 0 ? wanted : bpi_pool_default_threads();
    return count > 1 && bpi_pool_rests() ? 1 : count;
}

/* Leaving a CPU: Linux moves a thread that may no longer run where it is, at once. */
#define _GNU_SOURCE
#include "affinity.h"

#ifdef __linux__
#include <sched.h>

int bpi_current_cpu(void) { return sched_getcpu(); }

void bpi_leave_cpu(int cpu) {
    cpu_set_t allowed, others;
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getcpu() != cpu ||
        sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    others = allowed;
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
        sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
int bpi_current_cpu(void) { return -1; }

void bpi_leave_cpu(int cpu) { (void)cpu; }
#endif

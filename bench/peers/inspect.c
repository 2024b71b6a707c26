/* What the plan of a workload is like, from inside.
 *
 *   inspect DIR memory NAME       "ARENA BOUND ALLOCATIONS": bytes of the arena, the least that its
 *                                 lifetimes need, and allocations in a hundred replayed steps
 *   inspect DIR profile NAME MS   the profile of steps for about MS milliseconds, on one thread */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backprop_workload.h"
#include "plan/inside.h"

enum { WARM_UP = 5, REPLAYS = 100 };

static void memory(void *workload) {
    workload_steps(workload, WARM_UP);
    uint64_t before = bpi_alloc_count();
    workload_steps(workload, REPLAYS);
    const bpi_program *p = &workload_graph(workload)->plans->first->program;
    printf("%zu %zu %llu\n", p->arena_bytes, p->bound_bytes,
           (unsigned long long)(bpi_alloc_count() - before));
}

static void profile(void *workload, double ms) {
    workload_steps(workload, WARM_UP);
    bp_profile(workload_graph(workload), true);
    clock_t end = clock() + (clock_t)(ms * 1e-3 * CLOCKS_PER_SEC);
    do
        workload_steps(workload, WARM_UP);
    while (clock() < end);
    const char *text = bp_profile_text(workload_graph(workload));
    printf("%s", text ? text : "no profile\n");
}

int main(int argc, char **argv) {
    bool measured = argc == 5 && strcmp(argv[2], "profile") == 0;
    if (!measured && (argc != 4 || strcmp(argv[2], "memory") != 0))
        return fprintf(stderr, "usage: inspect DIR memory NAME | profile NAME MS\n"), 2;
    problem *p = problem_read(argv[1], argv[3]);
    void *workload = p ? workload_open(p, 1) : NULL;
    if (!workload)
        return fprintf(stderr, "no workload %s in %s\n", argv[3], argv[1]), 1;
    workload_reset(workload);
    if (measured)
        profile(workload, atof(argv[4]));
    else
        memory(workload);
    workload_close(workload);
    problem_free(p);
    return 0;
}

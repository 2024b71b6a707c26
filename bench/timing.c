#define _POSIX_C_SOURCE 200809L
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_CHUNKS = 4096 };

double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The steps of a chunk are found by doubling. */
static int chunk_size(repeat *steps, void *state) {
    for (int n = 1;; n *= 2) {
        double start = now_us();
        steps(state, n);
        if (now_us() - start >= 500 || n >= 1 << 20)
            return n;
    }
}

void print_time(repeat *steps, void *state, double budget_ms) {
    static double per_step[MAX_CHUNKS];
    steps(state, 3);
    int n = chunk_size(steps, state), chunks = 0;
    double start = now_us();
    do {
        double begin = now_us();
        steps(state, n);
        per_step[chunks++] = (now_us() - begin) / n;
    } while (chunks < MAX_CHUNKS && (chunks < 3 || now_us() - start < budget_ms * 1e3));
    qsort(per_step, (size_t)chunks, sizeof *per_step, ascending);
    printf("time %.5f %.5f %d\n", per_step[0], per_step[chunks / 2], chunks);
}

/* Products by OpenBLAS, called as the library calls it, which first makes it choose its kernels
 * again if they are those of another CPU. A process that answers
 *
 *     core                            -> "core NAME"            the kernels in use
 *     run f32|f64 nn|tn|nt M N K MS   -> "time MIN MEDIAN N"    microseconds of c = op(a) op(b)
 *     quit */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/blas_core.h"
#include "kernel/gemm.h"
#include "timing.h"

typedef struct job {
    bpi_product p;
    float *a, *b, *c;
    double *wide_a, *wide_b, *wide_c;
} job;

static void several_f32(void *state, int n) {
    job *j = state;
    for (int k = 0; k < n; k++)
        bpi_blas_f32(&j->p, 1, j->a, j->b, 0, j->c);
}

static void several_f64(void *state, int n) {
    job *j = state;
    for (int k = 0; k < n; k++)
        bpi_blas_f64(&j->p, 1, j->wide_a, j->wide_b, 0, j->wide_c);
}

/* Twice the same numbers: as f32 in *narrow, as f64 in *wide. False when memory is short. */
static bool fill(int64_t n, float **narrow, double **wide) {
    *narrow = aligned_alloc(64, ((size_t)n * sizeof **narrow + 63) / 64 * 64);
    *wide = aligned_alloc(64, ((size_t)n * sizeof **wide + 63) / 64 * 64);
    for (int64_t k = 0; *narrow && *wide && k < n; k++)
        (*wide)[k] = (double)((*narrow)[k] = (float)(k % 17) / 16 - 0.5f);
    return *narrow && *wide;
}

static void run(const char *dtype, const char *way, int64_t m, int64_t n, int64_t k, double ms) {
    bool ta = way[0] == 't', tb = way[1] == 't';
    job j = {.p = {m, n, k, ta ? m : k, tb ? k : n, n, ta, tb}};
    if (!fill(m * k, &j.a, &j.wide_a) || !fill(k * n, &j.b, &j.wide_b) ||
        !fill(m * n, &j.c, &j.wide_c))
        puts("error out of memory");
    else
        print_time(strcmp(dtype, "f64") == 0 ? several_f64 : several_f32, &j, ms);
    free(j.a), free(j.b), free(j.c);
    free(j.wide_a), free(j.wide_b), free(j.wide_c);
}

int main(void) {
    char line[256], dtype[8], way[8];
    while (fgets(line, sizeof line, stdin) && strncmp(line, "quit", 4) != 0) {
        long m, n, k;
        double ms;
        bpi_product none = {0};
        if (sscanf(line, "run %7s %7s %ld %ld %ld %lf", dtype, way, &m, &n, &k, &ms) == 6)
            run(dtype, way, m, n, k, ms);
        else if (strncmp(line, "core", 4) == 0 && bpi_blas_ready(&none))
            printf("core %s\n", bpi_blas_core());
        else
            puts("error unknown command, or no BLAS in this build");
        fflush(stdout);
    }
    return 0;
}

/* Google Benchmark for C: the little of it that these benchmarks need. */
#ifndef BENCHMARK_C_H
#define BENCHMARK_C_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bench_state bench_state; /* one running benchmark */

/* Registers a benchmark: `run` sets up, loops `while (bench_next(state))`, and cleans up. */
void bench_add(const char *name, void (*run)(bench_state *state, const void *data),
               const void *data);
/* Tells whether to go round once more; the time between the calls is what is measured. */
bool bench_next(bench_state *state);
/* Ends the benchmark as failed, with a reason. */
void bench_fail(bench_state *state, const char *why);
/* Adds a rate to the output: so much per iteration, e.g. bytes or flops. */
void bench_rate(bench_state *state, const char *what, double per_iteration);
/* Makes the compiler believe that memory is read and changed here. */
static inline void bench_keep(void *memory) { __asm__ volatile("" : : "g"(memory) : "memory"); }
/* Parses Google Benchmark's options, runs what is registered, prints it; returns main's result. */
int bench_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif

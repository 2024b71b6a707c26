/* The one file of C++: Google Benchmark behind the C functions of benchmark_c.h. */
#include "benchmark_c.h"

#include <benchmark/benchmark.h>

static benchmark::State &state_of(bench_state *state) {
    return *reinterpret_cast<benchmark::State *>(state);
}

void bench_add(const char *name, void (*run)(bench_state *state, const void *data),
               const void *data) {
    benchmark::RegisterBenchmark(name, [run, data](benchmark::State &state) {
        run(reinterpret_cast<bench_state *>(&state), data);
    });
}

bool bench_next(bench_state *state) { return state_of(state).KeepRunning(); }

void bench_fail(bench_state *state, const char *why) { state_of(state).SkipWithError(why); }

void bench_rate(bench_state *state, const char *what, double per_iteration) {
    state_of(state).counters[what] =
        benchmark::Counter(per_iteration, benchmark::Counter::kIsIterationInvariantRate);
}

int bench_main(int argc, char **argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

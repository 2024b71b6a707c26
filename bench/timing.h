/* The time of something that can be repeated. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

/* Microseconds of a clock that only goes forward. */
double now_us(void);

/* Does n steps. */
typedef void repeat(void *state, int n);

/* Prints "time MIN MEDIAN N": microseconds of a step over N chunks of about a millisecond, but at
 * least a step each, which together take about budget_ms. */
void print_time(repeat *steps, void *state, double budget_ms);

#endif

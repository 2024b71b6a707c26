/* The profile of a graph's runs: how often each plan ran, and the time of each of
 * its instructions. */
#include <string.h>

#include "inside.h"
#include "stopwatch.h"

/* ---- measuring ------------------------------------------------------------------------------- */

/* What reading the clock takes, which every measured time contains once. */
static int64_t clock_time(void) {
    int64_t least = INT64_MAX;
    for (int k = 0; k < 20; k++) {
        int64_t start = bpi_nanoseconds(), end = bpi_nanoseconds();
        least = end - start < least ? end - start : least;
    }
    return least;
}

bp_status bpi_run_measured(bpi_plan *plan, const bpi_instruction **failed) {
    const size_t count = plan->program.step_count;
    if (!plan->profile && !(plan->profile = bpi_alloc_zeroed((count + 1) * sizeof *plan->profile)))
        return BP_ERR_MEMORY;
    bp_status status = BP_OK;
    int64_t before = bpi_nanoseconds();
    for (size_t k = 0; k < count && status == BP_OK; k++) {
        status = plan->code[k].run(&plan->code[k]);
        if (status != BP_OK)
            *failed = &plan->code[k];
        int64_t now = bpi_nanoseconds();
        plan->profile[k] += (uint64_t)(now - before);
        before = now;
    }
    plan->profiled_runs += status == BP_OK;
    return status;
}

bp_status bp_profile(bp_graph *graph, bool on) {
    if (!graph)
        return BP_ERR_ARGUMENT;
    graph->profiling = on;
    graph->profile_overhead = (double)clock_time();
    for (bpi_plan *plan = graph->plans ? graph->plans->first : NULL; plan && on;
         plan = plan->next) {
        bpi_free(plan->profile);
        plan->profile = NULL;
        plan->profiled_runs = 0;
    }
    return BP_OK;
}

/* ---- figures --------------------------------------------------------------------------------- */

/* Nanoseconds of one run of an instruction. */
static double time_of(const bp_graph *graph, const bpi_plan *plan, size_t step) {
    double time = (double)plan->profile[step] / (double)plan->profiled_runs;
    return time > graph->profile_overhead ? time - graph->profile_overhead : 0;
}

static double total_of(const bp_graph *graph, const bpi_plan *plan) {
    double total = 0;
    for (size_t k = 0; k < plan->program.step_count; k++)
        total += time_of(graph, plan, k);
    return total;
}

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/* ---- as text --------------------------------------------------------------------------------- */

static void add_plan(bpi_text *text, const bp_graph *graph, const bpi_plan *plan, int number) {
    const bpi_program *p = &plan->program;
    double total = total_of(graph, plan), all_flops = 0;
    bpi_text_add(text, "plan %d: %llu runs, %.3f us each\n", number,
                 (unsigned long long)plan->profiled_runs, total / 1000);
    bpi_text_add(text, "%5s %10s %6s %8s %8s  %s\n", "step", "us", "share", "GFLOP/s", "GB/s",
                 "result = op(operands)");
    for (size_t k = 0; k < p->step_count; k++) {
        double flops, bytes, time = time_of(graph, plan, k);
        bpi_step_cost(p, &p->steps[k], &flops, &bytes);
        all_flops += flops;
        bpi_text_add(text, "%5zu %10.3f %5.1f%% %8.2f %8.2f  ", k, time / 1000,
                     100 * ratio(time, total), ratio(flops, time), ratio(bytes, time));
        bpi_add_step(text, p, &p->steps[k]);
        bpi_text_add(text, "\n");
    }
    bpi_text_add(text, "%.0f flops a run, %.2f GFLOP/s\n", all_flops, ratio(all_flops, total));
}

/* ---- as JSON --------------------------------------------------------------------------------- */

/* Appends words between quotes, and clears them. */
static void add_string(bpi_text *text, bpi_text *words) {
    const unsigned char *c = (const unsigned char *)bpi_text_data(words);
    text->short_of_memory |= c == NULL;
    bpi_text_add(text, "\"");
    for (; c && *c; c++)
        if (*c == '"' || *c == '\\' || *c < 0x20)
            bpi_text_add(text, "\\u%04x", *c);
        else
            bpi_text_add(text, "%c", *c);
    bpi_text_add(text, "\"");
    bpi_text_clear(words);
}

static void add_json_step(bpi_text *text, const bp_graph *graph, const bpi_plan *plan, size_t k,
                          double total) {
    const bpi_step *step = &plan->program.steps[k];
    double flops, bytes, time = time_of(graph, plan, k);
    bpi_step_cost(&plan->program, step, &flops, &bytes);
    bpi_text words = {0};
    bpi_text_add(text, "%s\n    {\"ops\": ", k ? "," : "");
    bpi_add_ops(&words, step);
    add_string(text, &words);
    bpi_add_step(&words, &plan->program, step);
    bpi_text_add(text, ", \"step\": ");
    add_string(text, &words);
    bpi_text_free(&words);
    bpi_text_add(text,
                 ", \"seconds\": %.9g, \"share\": %.4g, \"flops\": %.0f, \"bytes\": %.0f, "
                 "\"gflops\": %.4g, \"gbytes\": %.4g}",
                 time * 1e-9, ratio(time, total), flops, bytes, ratio(flops, time),
                 ratio(bytes, time));
}

static void add_json_plan(bpi_text *text, const bp_graph *graph, const bpi_plan *plan, int number) {
    const double total = total_of(graph, plan);
    bpi_text_add(text, "%s\n  {\"runs\": %llu, \"seconds\": %.9g, \"steps\": [",
                 number > 1 ? "," : "", (unsigned long long)plan->profiled_runs, total * 1e-9);
    for (size_t k = 0; k < plan->program.step_count; k++)
        add_json_step(text, graph, plan, k, total);
    bpi_text_add(text, "]}");
}

/* ---- both ------------------------------------------------------------------------------------ */

typedef void add_fn(bpi_text *text, const bp_graph *graph, const bpi_plan *plan, int number);

/* The plans that have run, the most recent one first, between `open` and `close`. */
static const char *describe(bp_graph *graph, const char *open, add_fn *add, const char *close) {
    if (!graph)
        return NULL;
    bpi_text_clear(&graph->text);
    bpi_text_add(&graph->text, "%s", open);
    int number = 0;
    for (bpi_plan *plan = graph->plans ? graph->plans->first : NULL; plan; plan = plan->next)
        if (plan->profiled_runs > 0)
            add(&graph->text, graph, plan, ++number);
    bpi_text_add(&graph->text, "%s", close);
    const char *text = bpi_text_data(&graph->text);
    return text ? text : bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for a profile");
}

const char *bp_profile_text(bp_graph *graph) { return describe(graph, "", add_plan, ""); }

const char *bp_profile_json(bp_graph *graph) {
    return describe(graph, "[", add_json_plan, "\n]\n");
}

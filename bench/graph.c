/* What a graph costs apart from its kernels, in CPU time.
 *
 *   graph               lines "chain|net|training NODES RECORD DIFFERENTIATE PLAN RUN" (seconds)
 *                       for graphs of 10^4 to 10^6 nodes, then "xor REPLAYED REBUILT ALLOCATIONS"
 *                       (microseconds of a step)
 *   graph chain NODES   one of these lines
 *   graph first-step    one training step of the XOR net, to be timed from outside
 *
 * NODES is what the program records; the gradient is as much again. A chain is elementwise ops; a
 * net is deep, with layers of 4 units, and differentiated for all its parameters; training is the
 * first bp_step of that net, which differentiates while it plans. tools/bench takes medians
 * over several runs. */
#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plan/inside.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- large graphs ---------------------------------------------------------------------------- */

static bp_tensor *record_chain(bp_graph *graph, long nodes) {
    bp_tensor *y = bp_parameter(graph, "x", BP_F32, BP_SHAPE(4, 1), bp_init_zeros());
    for (long k = 2; k < nodes; k += 2)
        y = bp_sigmoid(bp_neg(y));
    return bp_sum(y, BP_ALL, false);
}

/* Five nodes a layer: two parameters, product, sum and sigmoid. */
static bp_tensor *record_net(bp_graph *graph, long nodes) {
    bp_tensor *y = bp_input(graph, "x", BP_F32, BP_SHAPE(4, 4));
    for (long k = 0; k < nodes / 5; k++) {
        char name[32];
        snprintf(name, sizeof name, "layer%ld", k);
        y = bp_sigmoid(bp_linear(y, name, 4));
    }
    return bp_sum(y, BP_ALL, false);
}

/* Seconds of each phase. */
typedef struct phases {
    double record, differentiate, plan, run;
} phases;

/* The loss and its gradients for all parameters, as one request. */
static void evaluate(bp_graph *graph, bp_tensor *loss, phases *p) {
    bp_tensor **wrt = malloc(graph->count * sizeof *wrt);
    bp_tensor **targets = malloc((graph->count + 1) * sizeof *targets);
    int count = 0;
    for (size_t k = 0; k < graph->count; k++)
        if (graph->nodes[k]->leaf && graph->nodes[k]->leaf->variable)
            wrt[count++] = &graph->nodes[k]->y[0];
    targets[0] = loss;
    double start = now();
    bp_grads(&loss, NULL, 1, wrt, count, targets + 1);
    p->differentiate = now() - start;
    bpi_request request = {.targets = targets, .count = count + 1};
    start = now();
    bpi_plan_for(graph, &request);
    p->plan = now() - start;
    start = now();
    bpi_run(graph, &request);
    p->run = now() - start;
    free(wrt);
    free(targets);
}

/* A training step finds its own gradients: what the second one does not need was planning. */
static void train(bp_graph *graph, bp_tensor *loss, phases *p) {
    bp_optimizer *sgd = bp_sgd(graph->model, NULL);
    double start = now();
    bp_step(sgd, loss);
    double first = now() - start;
    start = now();
    bp_step(sgd, loss);
    p->run = now() - start;
    p->plan = first - p->run;
}

/* Prints why a graph has failed, if it has. */
static int report(const char *name, const bp_graph *graph) {
    if (bp_failed(graph))
        fprintf(stderr, "%s: %s\n", name, bp_error(graph));
    return bp_failed(graph);
}

static int measure(const char *name, long nodes) {
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_set_threads(graph, 1);
    phases p = {0};
    double start = now();
    bp_tensor *loss =
        strcmp(name, "chain") == 0 ? record_chain(graph, nodes) : record_net(graph, nodes);
    p.record = now() - start;
    if (strcmp(name, "training") == 0)
        train(graph, loss, &p);
    else
        evaluate(graph, loss, &p);
    printf("%s %ld %.5f %.5f %.5f %.5f\n", name, nodes, p.record, p.differentiate, p.plan, p.run);
    int failed = report(name, graph);
    bp_graph_free(graph);
    bp_model_free(model);
    return failed;
}

/* ---- the XOR net ----------------------------------------------------------------------------- */

static bp_tensor *record_xor(bp_graph *graph) {
    static const float inputs[] = {0, 0, 0, 1, 1, 0, 1, 1}, wanted[] = {0, 1, 1, 0};
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(4, 2));
    bp_tensor *t = bp_input(graph, "t", BP_F32, BP_SHAPE(4, 1));
    bp_tensor *h = bp_sigmoid(bp_linear(x, "hidden", 4));
    bp_tensor *loss = bp_mse(bp_sigmoid(bp_linear(h, "output", 1)), t);
    bp_write(x, inputs);
    bp_write(t, wanted);
    return loss;
}

/* Steps of a graph that is kept, and of one that is recorded anew for each of them: the fastest of
 * some rounds. */
static int measure_xor(int rounds, int steps) {
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_optimizer *sgd = bp_sgd(model, NULL);
    double replayed = 1, rebuilt = 1;
    uint64_t allocations = 0;
    for (int round = 0; round < rounds; round++) {
        bp_graph_reset(graph);
        bp_tensor *loss = record_xor(graph);
        bp_step(sgd, loss);
        double start = now();
        for (int k = 0; k < steps; k++)
            bp_step(sgd, loss);
        double seconds = now() - start;
        replayed = seconds < replayed ? seconds : replayed;
        allocations = bpi_alloc_count();
        start = now();
        for (int k = 0; k < steps; k++) {
            bp_graph_reset(graph);
            bp_step(sgd, record_xor(graph));
        }
        seconds = now() - start;
        rebuilt = seconds < rebuilt ? seconds : rebuilt;
        allocations = bpi_alloc_count() - allocations;
    }
    printf("xor %.4f %.4f %llu\n", replayed / steps * 1e6, rebuilt / steps * 1e6,
           (unsigned long long)allocations);
    int failed = report("xor", graph);
    bp_graph_free(graph);
    bp_model_free(model);
    return failed;
}

static int first_step(void) {
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_step(bp_sgd(model, NULL), record_xor(graph));
    return report("first step", graph);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "first-step") == 0)
        return first_step();
    if (argc == 3)
        return measure(argv[1], atol(argv[2]));
    int failures = 0;
    for (long nodes = 10000; nodes <= 1000000; nodes *= 10)
        failures += measure("chain", nodes) + measure("net", nodes) + measure("training", nodes);
    return failures + measure_xor(11, 20000) > 0;
}

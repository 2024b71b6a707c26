/* Plans: from what is asked of a graph to instructions, and running them.
 *
 * A request is a set of targets and, for a training step, an extension that records more graph
 * (the gradients and the updates). Its key is the structure of what the targets depend on; a
 * plan is made once per key and replayed. */
#ifndef BPI_PLAN_H
#define BPI_PLAN_H

#include "graph.h"

typedef struct bpi_plan bpi_plan;

/* Where the values of a target are. Belongs to the plan that computed them; tensor->value points
 * here until the plan is evicted or the graph reset. */
struct bpi_value {
    const void *data;
    uint64_t stamp; /* of the run that computed it, by the model's clock */
    bpi_plan *plan;
};

/* What is asked: compute `targets`; with `extend`, more. */
typedef struct bpi_request {
    bp_tensor *const *targets;
    int count;
    /* NULL for an evaluation. For a step: records into `scratch`, where copies[k] is the copy of
     * targets[k], what is to run as well, and sets *effects (memory of the scratch graph's
     * arena) to the bp_assign tensors to run. Called on a miss of the cache only. */
    bp_status (*extend)(void *context, bp_graph *scratch, bp_tensor *const *copies,
                        bp_tensor ***effects, int *effect_count);
    void *context;
    /* What the extension depends on besides the structure, e.g. the optimizer. */
    const uint64_t *key;
    size_t key_words;
} bpi_request;

/* Runs a request by the graph's executor: finds or makes its plan, binds the leaves, runs.
 * Afterwards targets[k]->value is set and fresh, and with an extension the model's step counter has
 * advanced. On failure the graph keeps the words and no
 * state has changed. */
bp_status bpi_run(bp_graph *graph, const bpi_request *request);
/* Tells whether a tensor's value is there and younger than every leaf that it was computed from. */
bool bpi_fresh(const bp_tensor *tensor);
/* Returns the plan of a request as text, as bp_plan_text does; the request is not run. */
const char *bpi_request_plan_text(bp_graph *graph, const bpi_request *request);
/* Called by a reset: tensors are gone, plans stay. */
void bpi_plans_unbind(bp_graph *graph);
void bpi_plans_free(bp_graph *graph);

#endif

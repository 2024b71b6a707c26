/* The plans of a graph: finding the one for a request, binding it to the tensors at hand,
 * running it, and telling whether a value is still fresh. */
#include <string.h>

#include "inside.h"

static bpi_plans *plans_of(bp_graph *graph) {
    if (!graph->plans)
        graph->plans = bpi_alloc_zeroed(sizeof *graph->plans);
    if (!graph->plans)
        bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for a plan");
    return graph->plans;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Tells whether a plan is bound to just these tensors: nothing has to be looked at then. */
static bool is_bound_to(const bpi_plan *plan, const bp_graph *graph, const bpi_request *request) {
    if (plan->recording != graph->recording || plan->executor != graph->executor ||
        plan->program.target_count != request->count || plan->key_words != request->key_words)
        return false;
    for (int k = 0; k < request->count; k++)
        if (plan->targets[k] != request->targets[k])
            return false;
    const uint64_t *key = plan->words + plan->word_count - plan->key_words;
    for (size_t k = 0; k < request->key_words; k++)
        if (key[k] != request->key[k])
            return false;
    return true;
}

static bool has_structure(const bpi_plan *plan, const bpi_structure *structure) {
    return plan->word_count == structure->count &&
           memcmp(plan->words, structure->words, structure->count * sizeof *plan->words) == 0;
}

/* Takes the plan that `link` points at to the front of the list. */
static bpi_plan *use(bpi_plans *plans, bpi_plan **link) {
    bpi_plan *plan = *link;
    if (link == &plans->first)
        return plan;
    *link = plan->next;
    plan->next = plans->first;
    plans->first = plan;
    return plan;
}

static bpi_plan *find_bound(bpi_plans *plans, const bp_graph *graph, const bpi_request *request) {
    for (bpi_plan **link = &plans->first; *link; link = &(*link)->next)
        if (is_bound_to(*link, graph, request))
            return use(plans, link);
    return NULL;
}

/* Most often it is the plan of the last run, which is found without a hash. */
static bpi_plan *find_equal(bpi_plans *plans) {
    const bpi_structure *structure = &plans->structure;
    if (!plans->first || has_structure(plans->first, structure))
        return plans->first;
    const uint64_t hash = bpi_structure_hash(structure);
    for (bpi_plan **link = &plans->first->next; *link; link = &(*link)->next)
        if ((*link)->hash == hash && has_structure(*link, structure))
            return use(plans, link);
    return NULL;
}

/* ---- binding --------------------------------------------------------------------------------- */

/* Takes the values away from the tensors that a plan is bound to. */
static void forget_values(const bp_graph *graph, bpi_plan *plan) {
    if (plan->recording != graph->recording)
        return;
    for (int k = 0; k < plan->program.target_count; k++)
        if (plan->targets[k]->value == &plan->values[k])
            plan->targets[k]->value = NULL;
}

static void bind(const bp_graph *graph, bpi_plan *plan, const bpi_request *request,
                 const bpi_structure *structure) {
    forget_values(graph, plan);
    memcpy(plan->targets, request->targets, (size_t)request->count * sizeof *plan->targets);
    for (size_t k = 0; k < structure->leaf_count; k++)
        plan->leaves[k] = structure->leaves[k]->node->leaf;
    plan->recording = graph->recording;
    plan->pointings = UINT64_MAX;
}

/* ---- the list -------------------------------------------------------------------------------- */

static void drop_oldest(bp_graph *graph) {
    bpi_plans *plans = graph->plans;
    bpi_plan **link = &plans->first;
    while ((*link)->next)
        link = &(*link)->next;
    forget_values(graph, *link);
    bpi_plan_free(*link);
    *link = NULL;
    plans->count--;
}

/* The plan of a request other than that of the last run. */
static __attribute__((noinline)) bpi_plan *another_plan(bp_graph *graph,
                                                        const bpi_request *request) {
    bpi_plans *plans = plans_of(graph);
    bpi_plan *plan = plans ? find_bound(plans, graph, request) : NULL;
    if (plan || !plans)
        return plan;
    const char *function = request->extend ? "bp_step" : "bp_eval";
    if (bpi_graph_of(function, request->targets, request->count) != graph ||
        bpi_structure_of(graph, request, &plans->structure) != BP_OK)
        return NULL;
    plan = find_equal(plans);
    if (!plan) {
        plan = bpi_compile(graph, request, &plans->structure);
        if (!plan)
            return NULL;
        if (plans->count == BPI_PLANS_KEPT)
            drop_oldest(graph);
        plan->next = plans->first;
        plans->first = plan;
        plans->count++;
    }
    bind(graph, plan, request, &plans->structure);
    return plan;
}

bpi_plan *bpi_plan_for(bp_graph *graph, const bpi_request *request) {
    bpi_plan *last = graph->plans ? graph->plans->first : NULL;
    return last && is_bound_to(last, graph, request) ? last : another_plan(graph, request);
}

void bpi_plans_unbind(bp_graph *graph) {
    for (bpi_plan *plan = graph->plans ? graph->plans->first : NULL; plan; plan = plan->next)
        plan->recording = 0;
}

void bpi_plans_free(bp_graph *graph) {
    bpi_plans *plans = graph->plans;
    if (!plans)
        return;
    while (plans->first) {
        bpi_plan *next = plans->first->next;
        bpi_plan_free(plans->first);
        plans->first = next;
    }
    bpi_structure_free(&plans->structure);
    bpi_free(plans->arena);
    bpi_free(plans);
    graph->plans = NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

static void take_values(bpi_plan *plan, uint64_t stamp) {
    const bpi_program *program = &plan->program;
    for (size_t k = 0; k < program->effect_count; k++)
        program->effects[k].variable->stamp = stamp;
    for (int k = 0; k < program->target_count; k++) {
        bpi_value *value = &plan->values[k];
        value->stamp = stamp;
        if (!plan->targets[k]->node->leaf)
            plan->targets[k]->value = value;
    }
}

static __attribute__((noinline)) bp_status fail_run(bp_graph *graph, bpi_plan *plan,
                                                    bp_status status) {
    if (!plan)
        return graph->why.status != BP_OK ? graph->why.status : BP_ERR_MEMORY;
    forget_values(graph, plan); /* the run may have overwritten them in part */
    bpi_graph_fail(graph, status, "%s", graph->plans->why.text);
    return status;
}

bp_status bpi_run(bp_graph *graph, const bpi_request *request) {
    bpi_plan *plan = bpi_plan_for(graph, request);
    if (!plan)
        return fail_run(graph, NULL, BP_OK);
    bp_failure *why = &graph->plans->why;
    why->status = BP_OK;
    uint64_t stamp = request->extend ? 0 : bpi_clock(graph->model);
    bp_status status = plan->executor == BP_NAIVE ? bpi_run_naive(graph, plan, why)
                                                  : bpi_run_code(graph, plan, why);
    if (status != BP_OK)
        return fail_run(graph, plan, status);
    if (request->extend) { /* what a step computed is not older than the tick that ends it */
        bp_tick(graph->model);
        stamp = graph->model->step_stamp;
    }
    take_values(plan, stamp);
    return BP_OK;
}

/* ---- freshness ------------------------------------------------------------------------------- */

static uint64_t leaf_stamp(const bpi_leaf *leaf) {
    return leaf->kind == BPI_VARIABLE ? leaf->variable->stamp : leaf->stamp;
}

bool bpi_fresh(const bp_tensor *tensor) {
    if (tensor->node->leaf)
        return true;
    const bpi_value *value = tensor->value;
    const bp_graph *graph = tensor->node->graph;
    if (!value || value->stamp < graph->stale_before)
        return false;
    const bpi_plan *plan = value->plan;
    if (plan->random && graph->model->step_stamp > value->stamp)
        return false;
    for (size_t k = 0; k < plan->program.leaf_count; k++)
        if (leaf_stamp(plan->leaves[k]) > value->stamp)
            return false;
    return true;
}

/* A plan as text. */
#include "inside.h"

const char *bpi_request_plan_text(bp_graph *graph, const bpi_request *request) {
    bpi_plan *plan = bpi_plan_for(graph, request);
    if (!plan)
        return NULL;
    bpi_text_clear(&graph->text);
    bpi_text_add(&graph->text, "plan of %zu steps\n", plan->program.step_count);
    return bpi_text_data(&graph->text);
}

const char *bp_plan_text(bp_tensor *const *targets, int count) {
    if (!targets || count < 1 || !targets[0])
        return NULL;
    return bpi_request_plan_text(targets[0]->node->graph,
                                 &(bpi_request){.targets = targets, .count = count});
}

/* Finds the nodes between a loss and a tensor; see path.h. */
#include "path.h"

void bpi_path_renumber(bpi_path *path) {
    for (size_t k = 0; k < path->closure.count; k++)
        path->closure.nodes[k]->slot = (uint32_t)k;
}

void bpi_path_free(bpi_path *path) {
    bpi_free(path->closure.nodes);
    bpi_free(path->on);
    bpi_free(path->uses);
    bpi_free(path->consumers);
    *path = (bpi_path){0};
}

bool bpi_path_flows(const bpi_path *path, const bpi_node *node, int k) {
    int named = node->op->arity == BP_VARIADIC || k > 3 ? 0 : k;
    return !node->op->operands[named].no_gradient && bp_dtype_is_float(node->x[k]->type->dtype) &&
           path->on[node->x[k]->node->slot];
}

static void mark(bpi_path *path, const bp_tensor *wrt) {
    for (size_t s = 0; s < path->closure.count; s++) {
        const bpi_node *node = path->closure.nodes[s];
        path->on[s] = wrt ? node == wrt->node : node->leaf != NULL;
        for (int k = 0; k < node->inputs && !path->on[s]; k++)
            path->on[s] = bpi_path_flows(path, node, k);
        for (int k = 0; k < node->inputs; k++) {
            path->uses[node->x[k]->node->slot]++;
            path->consumers[node->x[k]->node->slot] +=
                path->on[s] && wrt && node != wrt->node && bpi_path_flows(path, node, k);
        }
    }
}

bp_status bpi_path_of(bp_tensor *const *losses, int count, const bp_tensor *wrt, bpi_path *path) {
    *path = (bpi_path){0};
    bp_status status = bpi_closure_of(losses[0]->node->graph, losses, count, &path->closure);
    if (status != BP_OK)
        return status;
    size_t room = path->closure.count + 1;
    path->on = bpi_alloc_zeroed(room * sizeof *path->on);
    path->uses = bpi_alloc_zeroed(room * sizeof *path->uses);
    path->consumers = bpi_alloc_zeroed(room * sizeof *path->consumers);
    if (!path->on || !path->uses || !path->consumers)
        return BP_ERR_MEMORY;
    mark(path, wrt);
    return BP_OK;
}

/* Gradients as a program asks for them: what is asked is checked, then reverse
 * mode records them. */
#include "graph.h"

static bp_status fail(bp_graph *graph, bp_status status, const char *text, const bp_tensor *at) {
    char shape[BPI_SHAPE_TEXT];
    bpi_graph_fail(graph, status, "gradient: %s (%s \"%s\", %s %s)", text, at->node->op->name,
                   bp_name(at), bp_dtype_name(at->type->dtype),
                   bpi_shape_text(&at->type->shape, shape));
    return status;
}

/* A cotangent has the type of its target; a target without one is a scalar. */
static bp_status check_cotangents(bp_graph *graph, bp_tensor *const *targets,
                                  bp_tensor *const *cotangents, int count) {
    for (int k = 0; k < count; k++) {
        const bp_tensor *given = cotangents ? cotangents[k] : NULL;
        if (!given && bp_shape_count(targets[k]->type->shape) != 1)
            return fail(graph, BP_ERR_SHAPE,
                        "the target is no scalar; reduce it (bp_sum, bp_mean), or give bp_grads a "
                        "cotangent",
                        targets[k]);
        if (given && given->node->graph != graph) {
            bpi_graph_fail(graph, BP_ERR_ARGUMENT,
                           "gradient: cotangent number %d is of another graph", k + 1);
            return BP_ERR_ARGUMENT;
        }
        if (given && given->type != targets[k]->type) {
            char text[BPI_SHAPE_TEXT + 80], shape[BPI_SHAPE_TEXT];
            bpi_format(text, sizeof text, "the cotangent is %s %s, not of the type of its target",
                       bp_dtype_name(given->type->dtype),
                       bpi_shape_text(&given->type->shape, shape));
            return fail(graph, BP_ERR_SHAPE, text, targets[k]);
        }
    }
    return BP_OK;
}

static bp_status check_tensors(bp_graph *graph, bp_tensor *const *tensors, int count,
                               const char *what) {
    for (int k = 0; k < count; k++) {
        if (!tensors[k] || tensors[k]->node->graph != graph) {
            bpi_graph_fail(graph, BP_ERR_ARGUMENT, "gradient: %s number %d is %s", what, k + 1,
                           tensors[k] ? "of another graph" : "NULL");
            return BP_ERR_ARGUMENT;
        }
        if (!bp_dtype_is_float(tensors[k]->type->dtype))
            return fail(graph, BP_ERR_GRADIENT, "only f32 and f64 tensors have gradients",
                        tensors[k]);
    }
    return BP_OK;
}

bp_status bp_grads(bp_tensor *const *targets, bp_tensor *const *cotangents, int target_count,
                   bp_tensor *const *wrt, int wrt_count, bp_tensor **gradients) {
    const bp_tensor *first = targets && target_count > 0 ? targets[0] : NULL;
    const bp_tensor *at = first ? first : wrt && wrt_count > 0 ? wrt[0] : NULL;
    bp_graph *graph = at ? at->node->graph : NULL;
    if (!first || wrt_count < 0 || (wrt_count > 0 && (!wrt || !gradients))) {
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "gradient: %s",
                       !first          ? "there is no target, or the first is NULL"
                       : wrt_count < 0 ? "the number of tensors to differentiate for is negative"
                                       : "the array of tensors, or of gradients, is NULL");
        return BP_ERR_ARGUMENT;
    }
    for (int k = 0; k < wrt_count; k++)
        gradients[k] = NULL;
    bp_status status = check_tensors(graph, targets, target_count, "target");
    if (status == BP_OK)
        status = check_tensors(graph, wrt, wrt_count, "tensor to differentiate for");
    if (status == BP_OK)
        status = check_cotangents(graph, targets, cotangents, target_count);
    return status == BP_OK
               ? bpi_reverse(targets, cotangents, target_count, wrt, wrt_count, gradients)
               : status;
}

bp_tensor *bp_grad(bp_tensor *loss, bp_tensor *wrt) {
    bp_tensor *gradient = NULL;
    return loss && bp_grads(&loss, NULL, 1, &wrt, 1, &gradient) == BP_OK ? gradient : NULL;
}

/* A running error bound of first order: every intermediate value is rounded by ε of its size, and
 * its cotangent says what that does to the result.
 *
 * Source: N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 3.3;
 * Linnainmaa, "Taylor expansion of the accumulated rounding error", BIT 16 (1976). */
#include "rounding.h"

#include <math.h>

#include "path.h"

/* Intermediate values, and from `count` on their cotangents. */
typedef struct passing {
    bp_tensor **tensor;
    int count;
} passing;

static bool find_tensors(bpi_check *check, const bpi_path *path, passing *p) {
    size_t room = 1;
    for (size_t s = 0; s < path->closure.count; s++)
        room += path->closure.nodes[s]->outputs;
    p->tensor = bpi_check_room(check, 2 * room, sizeof *p->tensor);
    for (size_t s = 0; p->tensor && s < path->closure.count; s++)
        for (int k = 0; path->on[s] && k < path->closure.nodes[s]->outputs; k++) {
            bp_tensor *y = &path->closure.nodes[s]->y[k];
            if (bp_dtype_is_float(y->type->dtype))
                p->tensor[p->count++] = y;
        }
    return p->tensor != NULL;
}

static double largest(bp_tensor *tensor) {
    const double *values = bp_f64(tensor);
    double most = 0;
    for (int64_t i = 0; values && i < bp_tensor_count(tensor); i++)
        most = fmax(most, fabs(values[i]));
    return most;
}

/* An op that works on more than one element at a time may have values inside of the size of its
 * operands, as log_softmax has: it is taken to round by ε of them too. */
static double size_inside(const bpi_path *path, const bpi_node *node) {
    double size = 0;
    for (int k = 0; k < node->inputs && !(node->op->flags & BP_OP_ELEMENTWISE); k++)
        if (bpi_path_flows(path, node, k))
            size = fmax(size, largest(node->x[k]));
    return size;
}

static double add_up(const bpi_path *path, const passing *p) {
    double sum = 0;
    for (int k = 0; k < p->count; k++) {
        const double *y = bp_f64(p->tensor[k]), *gy = bp_f64(p->tensor[p->count + k]);
        double inside = size_inside(path, p->tensor[k]->node);
        for (int64_t i = 0; y && gy && i < bp_tensor_count(p->tensor[k]); i++)
            sum += fabs(gy[i]) * (fabs(y[i]) + inside);
    }
    return isfinite(sum) ? sum : 0;
}

double bpi_rounding_size(bpi_check *check, const bpi_subject *s, bp_tensor *x) {
    bpi_path path;
    passing p = {0};
    double size = 0;
    bp_status status = bpi_path_of(s->y, s->count, x, &path);
    if (status == BP_OK && find_tensors(check, &path, &p) && p.count > 0) {
        status = bp_grads(s->y, s->c, s->count, p.tensor, p.count, p.tensor + p.count);
        if (status == BP_OK)
            status = bp_eval(p.tensor, 2 * p.count);
        bpi_path_renumber(&path);
        size = status == BP_OK ? add_up(&path, &p) : 0;
        bp_clear_error(s->y[0]->node->graph);
    }
    if (status == BP_ERR_MEMORY)
        bpi_fail(&check->why, status, "out of memory while checking gradients");
    bpi_path_free(&path);
    return size;
}

/* softmax and its logarithm along one axis. Their gradients use the result, not the operand:
 * gx = y (gy - Σ gy y), and gx = gy - exp(y) Σ gy for the logarithm. These are ops of their own,
 * because as one pass over a row they are 2 to 4 times as fast as the ops that they are made of. */
#include "kernel/softmax.h"

#include <stddef.h>

#include "axis.h"

static bp_status softmax_infer(bp_signature *s) {
    int axis = 0;
    bp_status status = bp_infer_float(s);
    return status == BP_OK ? bpi_infer_axis(s, s->x[0].shape.rank, &axis) : status;
}

static bp_status softmax_forward(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_softmax_reference(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data);
    return BP_OK;
}

static bp_status softmax_fast(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_softmax_fast(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data,
                     call->workspace);
    return BP_OK;
}

static bp_status log_softmax_forward(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_log_softmax_reference(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data);
    return BP_OK;
}

static bp_status log_softmax_fast(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_log_softmax_fast(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data,
                         call->workspace);
    return BP_OK;
}

static size_t softmax_workspace(const bp_signature *s) {
    bpi_pass pass = bpi_along(&s->x[0].shape, s->attr);
    return bpi_softmax_workspace(&pass, bp_dtype_size(s->x[0].dtype));
}

/* Maximum, subtraction, exponential (as 10), sum and division for every element. */
static void softmax_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 14, flops, bytes);
}

static const char *const samples[] = {"[4] | axis=0",
                                      "[3,4] | axis=1",
                                      "[3,4] | axis=0",
                                      "[3,4] | axis=-1",
                                      "[2,3,4] | axis=1",
                                      "[2,3,2] | axis=-3",
                                      "[1,4] | axis=1",
                                      "[2,3](80,90) | axis=1",
                                      "[0,3] | axis=1",
                                      "[3,0] | axis=1",
                                      NULL};

/* ---- the gradients as ops -------------------------------------------------------------------- */

static bp_tensor *sum_along(bp_tensor *x, const bp_attr *attr) {
    return bp_sum(x, BP_AXES((int)attr->as.i), true);
}

/* For y = s (g - Σ g s): the derivative with respect to s has two parts, the factor s and the
 * sum. */
static void softmax_grad_vjp(bp_vjp *v) {
    bp_tensor *s = v->x[0], *g = v->x[1], *gy = v->gy[0];
    if (v->need[0]) {
        bp_tensor *inside = bp_mul(gy, bp_sub(g, sum_along(bp_mul(g, s), v->attr)));
        v->gx[0] = bp_sub(inside, bp_mul(g, sum_along(bp_mul(gy, s), v->attr)));
    }
    if (v->need[1])
        v->gx[1] = bpi_record2(v->op, s, gy, v->attr);
}

/* For y = g - exp(l) Σ g. */
static void log_softmax_grad_vjp(bp_vjp *v) {
    bp_tensor *p = bp_exp(v->x[0]), *g = v->x[1], *gy = v->gy[0];
    if (v->need[0])
        v->gx[0] = bp_neg(bp_mul(bp_mul(gy, p), sum_along(g, v->attr)));
    if (v->need[1])
        v->gx[1] = bp_sub(gy, sum_along(bp_mul(gy, p), v->attr));
}

static bp_status softmax_grad_forward(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_softmax_grad_reference(&pass, call->x[0].type->dtype, call->x[0].data, call->x[1].data,
                               call->y[0].data);
    return BP_OK;
}

static bp_status softmax_grad_fast(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_softmax_grad_fast(&pass, call->x[0].type->dtype, call->x[0].data, call->x[1].data,
                          call->y[0].data, call->workspace);
    return BP_OK;
}

static bp_status log_softmax_grad_forward(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_log_softmax_grad_reference(&pass, call->x[0].type->dtype, call->x[0].data, call->x[1].data,
                                   call->y[0].data);
    return BP_OK;
}

static bp_status log_softmax_grad_fast(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_log_softmax_grad_fast(&pass, call->x[0].type->dtype, call->x[0].data, call->x[1].data,
                              call->y[0].data, call->workspace);
    return BP_OK;
}

static size_t grad_workspace(const bp_signature *s) {
    bpi_pass pass = bpi_along(&s->x[0].shape, s->attr);
    return (size_t)pass.inner * bp_dtype_size(s->x[0].dtype);
}

static void softmax_grad_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 4, flops, bytes);
}

static void log_softmax_grad_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 13, flops, bytes);
}

const bp_op bpi_op_softmax_grad = {
    .name = "softmax_grad",
    .summary = "The gradient of softmax from its result s and the cotangent g.",
    .arity = 2,
    .operands = {{"s", false}, {"g", false}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .infer = softmax_infer,
    .vjp = softmax_grad_vjp,
    .forward = softmax_grad_forward,
    .workspace = grad_workspace,
    .cost = softmax_grad_cost,
    .formula = "y = s * (g - sum(g * s, axis))",
    .gradient = "gs = gy * (g - sum(g * s, axis)) - g * sum(gy * s, axis); "
                "gg = s * (gy - sum(gy * s, axis))",
    .source = "the Jacobian of softmax, diag(s) - s s', times g",
    .samples = (const char *const[]){"[4](0,1) [4] | axis=0", "[3,4](0,1) [3,4] | axis=1",
                                     "[3,4](0,1) [3,4] | axis=0", "[2,3,4](0,1) [2,3,4] | axis=-2",
                                     "[1,4](0,1) [1,4] | axis=1", "[0,3] [0,3] | axis=1", NULL},
    .kernel = &(const bpi_kernels){.fast = softmax_grad_fast},
};

const bp_op bpi_op_log_softmax_grad = {
    .name = "log_softmax_grad",
    .summary = "The gradient of log_softmax from its result l and the cotangent g.",
    .arity = 2,
    .operands = {{"l", false}, {"g", false}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .infer = softmax_infer,
    .vjp = log_softmax_grad_vjp,
    .forward = log_softmax_grad_forward,
    .workspace = grad_workspace,
    .cost = log_softmax_grad_cost,
    .formula = "y = g - exp(l) * sum(g, axis)",
    .gradient = "gl = -gy * exp(l) * sum(g, axis); gg = gy - sum(gy * exp(l), axis)",
    .source = "the Jacobian of log softmax, 1 - exp(l)', times g",
    .samples =
        (const char *const[]){"[4](-3,0) [4] | axis=0", "[3,4](-3,0) [3,4] | axis=1",
                              "[3,4](-3,0) [3,4] | axis=0", "[2,3,4](-3,0) [2,3,4] | axis=-2",
                              "[1,4](-3,0) [1,4] | axis=1", "[0,3] [0,3] | axis=1", NULL},
    .kernel = &(const bpi_kernels){.fast = log_softmax_grad_fast},
};

/* ---- softmax and its logarithm --------------------------------------------------------------- */

static void softmax_vjp(bp_vjp *v) {
    v->gx[0] = bpi_record2(&bpi_op_softmax_grad, v->y[0], v->gy[0], v->attr);
}

static void log_softmax_vjp(bp_vjp *v) {
    v->gx[0] = bpi_record2(&bpi_op_log_softmax_grad, v->y[0], v->gy[0], v->attr);
}

const bp_op bpi_op_softmax = {
    .name = "softmax",
    .summary = "Exponentials divided by their sum along one axis: positive, and summing to 1.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .infer = softmax_infer,
    .vjp = softmax_vjp,
    .forward = softmax_forward,
    .workspace = softmax_workspace,
    .cost = softmax_cost,
    .formula = "y = exp(x) / sum(exp(x), axis)",
    .gradient = "gx = y * (gy - sum(gy * y, axis))",
    .source = "Bridle 1990; the maximum is subtracted first: Blanchard, Higham, Higham, Accurately "
              "computing the log-sum-exp and softmax functions, 2021",
    .samples = samples,
    .kernel = &(const bpi_kernels){.fast = softmax_fast},
};

const bp_op bpi_op_log_softmax = {
    .name = "log_softmax",
    .summary = "The logarithm of softmax along one axis, without its rounding to 0.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .infer = softmax_infer,
    .vjp = log_softmax_vjp,
    .forward = log_softmax_forward,
    .workspace = softmax_workspace,
    .cost = softmax_cost,
    .formula = "y = x - log(sum(exp(x), axis))",
    .gradient = "gx = gy - exp(y) * sum(gy, axis)",
    .source = "PyTorch's log_softmax",
    .samples = samples,
    .kernel = &(const bpi_kernels){.fast = log_softmax_fast},
};

bp_tensor *bp_softmax(bp_tensor *x, int axis) {
    return bpi_record1(&bpi_op_softmax, x, (bp_attr[]){bp_attr_int(axis)});
}

bp_tensor *bp_log_softmax(bp_tensor *x, int axis) {
    return bpi_record1(&bpi_op_log_softmax, x, (bp_attr[]){bp_attr_int(axis)});
}

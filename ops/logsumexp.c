/* y = ln Σ exp(x) over some axes, without overflow: the maximum is taken out first. */
#include "kernel/softmax.h"
#include "reduce.h"

static bp_status logsumexp_infer(bp_signature *s) {
    if (!bp_dtype_is_float(s->x[0].dtype))
        return bp_infer_fail(s, BP_ERR_DTYPE, "works on f32 and f64, not on %s; bp_cast it first",
                             bp_dtype_name(s->x[0].dtype));
    return bpi_infer_reduce(s);
}

static void logsumexp_vjp(bp_vjp *v) {
    bp_tensor *y = bpi_with_axes(v->y[0], v->x[0], v->attr);
    bp_tensor *gy = bpi_with_axes(v->gy[0], v->x[0], v->attr);
    v->gx[0] = bp_mul(gy, bp_exp(bp_sub(v->x[0], y)));
}

static bp_status logsumexp_forward(const bp_call *call) {
    bpi_reduction r = bpi_reduction_call(call);
    bpi_logsumexp_reference(&r, call->x[0].type->dtype, call->x[0].data, call->y[0].data);
    return BP_OK;
}

static bp_status logsumexp_fast(const bp_call *call) {
    bpi_reduction r = bpi_reduction_call(call);
    if (r.passes != 1)
        return logsumexp_forward(call);
    bpi_logsumexp_fast(&r.pass[0], call->x[0].type->dtype, call->x[0].data, call->y[0].data,
                       call->workspace);
    return BP_OK;
}

static size_t logsumexp_workspace(const bp_signature *s) {
    bpi_reduction r = bpi_reduction_signature(s);
    return r.passes == 1 ? bpi_softmax_workspace(&r.pass[0], bp_dtype_size(s->x[0].dtype)) : 0;
}

/* A subtraction, an exponential (as 10) and an addition for every element. */
static void logsumexp_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 0, flops, bytes);
    *flops = 12 * (double)bp_shape_count(s->x[0].shape);
}

const bp_op bpi_op_logsumexp = {
    .name = "logsumexp",
    .summary = "The logarithm of the sum of exponentials over some axes or all of them, without "
               "overflow.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = BPI_REDUCE_ATTRS,
    .infer = logsumexp_infer,
    .vjp = logsumexp_vjp,
    .forward = logsumexp_forward,
    .workspace = logsumexp_workspace,
    .cost = logsumexp_cost,
    .formula = "y = log(sum(exp(x), axes))",
    .gradient = "gx = gy * exp(x - y)",
    .source =
        "PyTorch's logsumexp; Blanchard, Higham, Higham, Accurately computing the log-sum-exp "
        "and softmax functions, 2021",
    .samples =
        (const char *const[]){"[3,4] | axes=(0,1) keep=false", "[3,4] | axes=(0) keep=false",
                              "[3,4] | axes=(-1) keep=true", "[2,3,4] | axes=(1) keep=false",
                              "[2,3,2] | axes=(0,2) keep=false", "[1,3] | axes=(0) keep=false",
                              "[2,3](80,90) | axes=(1) keep=false", "[] | axes=() keep=false",
                              "[0,3] | axes=(0) keep=false", NULL},
    .kernel = &(const bpi_kernels){.fast = logsumexp_fast},
};

bp_tensor *bp_logsumexp(bp_tensor *x, bp_axes axes, bool keep) {
    return bpi_record_reduce(&bpi_op_logsumexp, x, axes, keep);
}

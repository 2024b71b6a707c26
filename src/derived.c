/* An op whose backward is a function on arrays: its gradient is a node of a derived op, with the
 * operands x..., y..., gy... of the original and one output per operand of it. */
#include "derived.h"

#include <string.h>

typedef struct bpi_derived bpi_derived;
struct bpi_derived {
    bp_op op; /* first: a pointer to it is a pointer to the whole */
    const bp_op *original;
    int inputs; /* of the original */
    bpi_derived *next;
    char name[96];
};

/* The gradient of every operand has the operand's type; of an elementwise op it is given operands of
 * the shape of the result, and reverse mode sums over the broadcast dimensions. */
static bp_status infer(bp_signature *s) {
    const bpi_derived *d = (const bpi_derived *)s->op;
    for (int k = 0; k < d->inputs; k++)
        s->y[k] = s->x[k];
    return BP_OK;
}

/* What the original asks for, with its own signature. */
static size_t workspace(const bp_signature *s) {
    const bpi_derived *d = (const bpi_derived *)s->op;
    bp_signature original = *s;
    original.op = d->original;
    original.inputs = d->inputs;
    memcpy(original.y, s->x + d->inputs, (size_t)bpi_op_outputs(d->original) * sizeof *original.y);
    return d->original->workspace(&original);
}

static bp_status forward(const bp_call *call) {
    const bpi_derived *d = (const bpi_derived *)call->op;
    int outputs = bpi_op_outputs(d->original);
    bp_array gx[BP_MAX_OUTPUTS];
    for (int k = 0; k < d->inputs; k++) {
        gx[k] = call->y[k];
        if (!bp_dtype_is_float(gx[k].type->dtype) || d->original->operands[k].no_gradient)
            gx[k].data = NULL;
    }
    bp_call original = *call;
    original.op = d->original;
    original.inputs = d->inputs;
    original.outputs = outputs;
    original.y = call->x + d->inputs;
    original.gy = original.y + outputs;
    original.gx = gx;
    return d->original->backward(&original);
}

static bpi_derived *make(const bp_op *original, int inputs) {
    bpi_derived *d = bpi_alloc_zeroed(sizeof *d);
    if (!d)
        return NULL;
    bpi_format(d->name, sizeof d->name, "%s.backward", original->name);
    d->original = original;
    d->inputs = inputs;
    d->op = (bp_op){.name = d->name,
                    .summary = "A backward function on arrays.",
                    .arity = BP_VARIADIC,
                    .outputs = inputs,
                    .operands = {{"operand", false}},
                    .flags = original->flags & BP_OP_RANDOM,
                    .infer = infer,
                    .forward = forward,
                    .workspace = original->workspace ? workspace : NULL};
    memcpy(d->op.attrs, original->attrs, sizeof d->op.attrs);
    return d;
}

/* Finds or makes the derived op; it lives as long as the model, since plans refer to it. */
static const bp_op *find_or_make(bp_model *model, const bp_op *original, int inputs) {
    pthread_mutex_lock(&model->lock);
    bpi_derived *d = model->derived;
    while (d && (d->original != original || d->inputs != inputs))
        d = d->next;
    if (!d && (d = make(original, inputs))) {
        d->next = model->derived;
        model->derived = d;
    }
    pthread_mutex_unlock(&model->lock);
    return d ? &d->op : NULL;
}

void bpi_derived_free(bp_model *model) {
    while (model->derived) {
        bpi_derived *next = model->derived->next;
        bpi_free(model->derived);
        model->derived = next;
    }
}

void bpi_derived_vjp(bp_vjp *v) {
    bp_tensor *operands[BP_MAX_OUTPUTS * 3];
    if (v->inputs > BP_MAX_OUTPUTS) {
        bpi_graph_fail(
            v->graph, BP_ERR_UNSUPPORTED,
            "%s: a backward function on arrays serves at most %d operands; this op has %d, "
            "give it a vjp that records ops",
            v->op->name, BP_MAX_OUTPUTS, v->inputs);
        return;
    }
    const bp_op *op = find_or_make(v->graph->model, v->op, v->inputs);
    if (!op) {
        bpi_graph_fail(v->graph, BP_ERR_MEMORY, "%s: out of memory", v->op->name);
        return;
    }
    int count = 0;
    const bool elementwise = (v->op->flags & BP_OP_ELEMENTWISE) != 0;
    for (int k = 0; k < v->inputs; k++)
        operands[count++] = elementwise ? bp_expand(v->x[k], v->y[0]->type->shape) : v->x[k];
    for (int k = 0; k < v->outputs; k++)
        operands[count++] = v->y[k];
    for (int k = 0; k < v->outputs; k++)
        operands[count++] =
            v->gy[k] ? v->gy[k] : bp_full(v->graph, v->y[k]->type->dtype, v->y[k]->type->shape, 0);
    bp_tensor *first = bp_record(op, operands, count, v->attr);
    for (int k = 0; k < v->inputs && first; k++)
        if (v->need[k])
            v->gx[k] = bp_output(first, k);
}

const char *bpi_no_vjp_text(const bp_op *op) {
    if (op->forward == forward)
        return "a backward function on arrays cannot be differentiated again; for second-order "
               "gradients give the op a vjp that records ops";
    return "the op has no gradient: its record has neither vjp nor backward; add one, or bp_detach "
           "its "
           "operand";
}

#include "backprop_workload.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct workload {
    const problem *p;
    int threads;
    bp_dtype dtype;
    void *x[MAX_BATCHES], *target[MAX_BATCHES]; /* in the dtypes that the inputs want */
    bp_model *model;
    bp_graph *graph;
    bp_tensor *x_in, *target_in, *loss;
    bp_optimizer *optimizer;
    int n_parameters; /* weight, bias, weight, bias, ... */
    bp_tensor *parameter[2 * MAX_LAYERS], *product[2 * MAX_LAYERS]; /* product: hvp only */
    void *direction[2 * MAX_LAYERS];
    int batch;
} workload;

/* Ends the process with the library's words: a benchmark has no use for half a result. */
static void demand(workload *s, bool ok) {
    if (ok)
        return;
    const char *why = bp_error(s->graph);
    fprintf(stderr, "backprop: %s\n", *why ? why : bp_model_error(s->model));
    exit(1);
}

/* A copy of n numbers in a dtype. */
static void *converted(const float *from, int64_t n, bp_dtype dtype) {
    void *to = calloc((size_t)n, bp_dtype_size(dtype));
    if (!to)
        exit(1);
    for (int64_t i = 0; i < n; i++) {
        if (dtype == BP_F64)
            ((double *)to)[i] = (double)from[i];
        else if (dtype == BP_F32)
            ((float *)to)[i] = from[i];
        else
            ((int32_t *)to)[i] = (int32_t)from[i];
    }
    return to;
}

static bp_tensor *record_loss(workload *s) {
    const problem *p = s->p;
    bool is_mse = p->loss == MSE;
    s->x_in = bp_input(s->graph, "x", s->dtype, BP_SHAPE(p->batch, inputs(p)));
    s->target_in = is_mse ? bp_input(s->graph, "target", s->dtype, BP_SHAPE(p->batch, outputs(p)))
                          : bp_input(s->graph, "target", BP_I32, BP_SHAPE(p->batch));
    bp_tensor *h = s->x_in;
    for (int i = 0; i < p->n_layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "layer%d", i);
        h = bp_linear(h, name, p->size[i + 1]);
        if (i < p->n_layers - 1)
            h = p->hidden == RELU ? bp_relu(h) : p->hidden == TANH ? bp_tanh(h) : bp_sigmoid(h);
    }
    return is_mse ? bp_mse(bp_sigmoid(h), s->target_in) : bp_cross_entropy(h, s->target_in);
}

static bp_optimizer *make_optimizer(workload *s) {
    const problem *p = s->p;
    if (p->optimizer == ADAM) {
        bp_adam_config adam = bp_adam_defaults();
        adam.lr = p->lr, adam.beta1 = p->beta1, adam.beta2 = p->beta2, adam.epsilon = p->eps;
        return bp_adam(s->model, &adam);
    }
    bp_sgd_config sgd = bp_sgd_defaults();
    sgd.lr = p->lr;
    sgd.momentum = p->optimizer == MOMENTUM ? p->beta1 : 0;
    return bp_sgd(s->model, &sgd);
}

/* Finds parameter `index` and gives it its initial values. */
static void set_parameter(workload *s, int index) {
    const float *from = index % 2 ? s->p->bias[index / 2] : s->p->weight[index / 2];
    char name[32];
    snprintf(name, sizeof name, "layer%d.%s", index / 2, index % 2 ? "bias" : "weight");
    bp_tensor *parameter = bp_find(s->graph, name);
    int64_t n = bp_tensor_count(parameter);
    void *values = converted(from, n, s->dtype);
    demand(s, bp_model_write(s->model, name, values, (size_t)n * bp_dtype_size(s->dtype)) == BP_OK);
    s->parameter[index] = parameter;
    free(values);
}

/* H v is the gradient of gradient · v: gradients of the gradients with cotangents v. */
static void record_product(workload *s) {
    bp_tensor *gradient[2 * MAX_LAYERS], *v[2 * MAX_LAYERS];
    int n = s->n_parameters;
    demand(s, bp_grads(&s->loss, NULL, 1, s->parameter, n, gradient) == BP_OK);
    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "v%d", i);
        v[i] = bp_input(s->graph, name, s->dtype, bp_tensor_shape(s->parameter[i]));
        demand(s, bp_point(v[i], s->direction[i]) == BP_OK);
    }
    demand(s, bp_grads(gradient, v, n, s->parameter, n, s->product) == BP_OK);
}

void workload_select(void *state, int batch) {
    workload *s = state;
    s->batch = batch;
    demand(s, bp_point(s->x_in, s->x[batch]) == BP_OK &&
                  bp_point(s->target_in, s->target[batch]) == BP_OK);
}

bp_graph *workload_graph(void *state) { return ((workload *)state)->graph; }

static void free_graph(workload *s) {
    bp_graph_free(s->graph);
    bp_model_free(s->model);
}

/* A new model and graph: nothing of the last run is left. */
void workload_reset(void *state) {
    workload *s = state;
    free_graph(s);
    s->model = bp_model_new();
    s->graph = bp_graph_new(s->model);
    bp_set_threads(s->graph, s->threads);
    s->loss = record_loss(s);
    demand(s, !bp_failed(s->graph));
    for (int i = 0; i < s->n_parameters; i++)
        set_parameter(s, i);
    if (s->p->hvp)
        record_product(s);
    else
        demand(s, (s->optimizer = make_optimizer(s)) != NULL);
    workload_select(s, 0);
}

static void training_steps(workload *s, int n) {
    for (int i = 0; i < n; i++)
        bp_step(s->optimizer, s->loss);
    demand(s, !bp_failed(s->graph));
}

static void product_steps(workload *s, int n) {
    for (int i = 0; i < n; i++) {
        bp_eval(s->product, s->n_parameters);
        workload_select(s, (s->batch + 1) % s->p->n_batches);
    }
    demand(s, !bp_failed(s->graph));
}

void workload_steps(void *state, int n) {
    workload *s = state;
    if (s->p->hvp)
        product_steps(s, n);
    else
        training_steps(s, n);
}

/* vᵀ H v of the last product, of which the input has moved on already. */
static double product_loss(workload *s) {
    double sum = 0;
    workload_select(s, (s->batch + s->p->n_batches - 1) % s->p->n_batches);
    for (int i = 0; i < s->n_parameters; i++) {
        const double *product = bp_f64(s->product[i]), *v = s->direction[i];
        demand(s, product != NULL);
        for (int64_t k = 0; k < bp_tensor_count(s->product[i]); k++)
            sum += v[k] * product[k];
    }
    return sum;
}

double workload_loss(void *state) {
    workload *s = state;
    return s->p->hvp ? product_loss(s) : bp_item(s->loss);
}

void *workload_open(const problem *p, int threads) {
    workload *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->p = p;
    s->threads = threads;
    s->dtype = p->f64 ? BP_F64 : BP_F32;
    s->n_parameters = 2 * p->n_layers;
    for (int k = 0; k < p->n_batches; k++) {
        s->x[k] = converted(p->x[k], p->batch * inputs(p), s->dtype);
        s->target[k] = converted(p->target[k], target_count(p), p->loss == MSE ? s->dtype : BP_I32);
    }
    for (int i = 0; i < s->n_parameters && p->hvp; i++) {
        const float *from = i % 2 ? p->bias_direction[i / 2] : p->weight_direction[i / 2];
        int out = p->size[i / 2 + 1];
        s->direction[i] = converted(from, i % 2 ? out : p->size[i / 2] * out, s->dtype);
    }
    return s;
}

void workload_close(void *state) {
    workload *s = state;
    free_graph(s);
    for (int k = 0; k < s->p->n_batches; k++)
        free(s->x[k]), free(s->target[k]);
    for (int i = 0; i < s->n_parameters; i++)
        free(s->direction[i]);
    free(s);
}
